#include "tunnel/gate.h"

/* RFC 6455: section 5.2 for the frame, 7.4.1 for the codes. */
enum { PROTOCOL_ERROR = 1002, POLICY = 1008, TOO_BIG = 1009 };
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PONG = 10 };

static bool stop(struct gate *gate, int code, const char *why)
{
	gate->code = code;
	gate->why = why;
	return false;
}

/* Bytes of a header whose second byte is this. */
static size_t head_size(unsigned char second)
{
	const unsigned length = second & 0x7f;

	return length == 127 ? 10 : length == 126 ? 4 : 2;
}

static uint64_t payload_length(const unsigned char *head)
{
	const size_t size = head_size(head[1]);
	uint64_t length = size == 2 ? head[1] & 0x7f : 0;

	for (size_t i = 2; i < size; i++)
		length = length << 8 | head[i];
	return length;
}

static bool check_control(struct gate *gate, unsigned opcode, bool fin, uint64_t length,
			  int64_t now)
{
	if (!fin || length > 125)
		return stop(gate, PROTOCOL_ERROR, "a control frame in parts, or too long");
	if (opcode == CLOSE && length == 1)
		return stop(gate, PROTOCOL_ERROR, "a goodbye with half a code");
	if (now - gate->controls_since >= GATE_CONTROLS_WINDOW) {
		gate->controls_since = now;
		gate->controls = 0;
	}
	if (++gate->controls > GATE_MAX_CONTROLS)
		return stop(gate, POLICY, "too many control frames");
	return true;
}

static bool check_data(struct gate *gate, unsigned opcode, bool fin, uint64_t length)
{
	if (gate->within != (opcode == CONTINUATION))
		return stop(gate, PROTOCOL_ERROR, "a fragment of no message, or a message in one");
	if (!gate->within) {
		gate->message = 0;
		gate->fragments = 0;
	}
	if (length > gate->max_message - gate->message)
		return stop(gate, TOO_BIG, "a message that is too large");
	if (++gate->fragments > GATE_MAX_FRAGMENTS)
		return stop(gate, POLICY, "a message of too many fragments");
	gate->message += length;
	gate->within = !fin;
	return true;
}

static bool check_frame(struct gate *gate, int64_t now)
{
	const unsigned opcode = gate->head[0] & 0x0f;
	const bool fin = gate->head[0] & 0x80;
	const uint64_t length = payload_length(gate->head);
	const size_t size = head_size(gate->head[1]);

	if (gate->head[0] & 0x70)
		return stop(gate, PROTOCOL_ERROR, "bits of extensions that were not offered");
	if (gate->head[1] & 0x80)
		return stop(gate, PROTOCOL_ERROR, "a masked frame, as no server sends it");
	if ((size == 4 && length < 126) || (size == 10 && length < 65536) || length >> 63)
		return stop(gate, PROTOCOL_ERROR, "a length in a form that is not its own");
	gate->left = length;
	if (opcode >= CLOSE && opcode <= PONG)
		return check_control(gate, opcode, fin, length, now);
	if (opcode > BINARY)
		return stop(gate, PROTOCOL_ERROR, "an unknown kind of frame");
	return check_data(gate, opcode, fin, length);
}

size_t gate_pass(struct gate *gate, const unsigned char *bytes, size_t len, int64_t now)
{
	size_t at = 0;

	if (gate->code)
		return 0;
	while (at < len) {
		if (gate->left > 0) {
			const size_t step = gate->left < len - at ? (size_t)gate->left : len - at;

			at += step;
			gate->left -= step;
			continue;
		}
		gate->head[gate->head_len++] = bytes[at++];
		const size_t size = gate->head_len < 2 ? 2 : head_size(gate->head[1]);
		/* The frame that is refused stays outside, but for the bytes of its header that
		 * came in an earlier piece. */
		const size_t in_this = gate->head_len < at ? gate->head_len : at;

		if (gate->head_len < size)
			continue;
		gate->head_len = 0;
		if (!check_frame(gate, now))
			return at - in_this;
	}
	return at;
}
