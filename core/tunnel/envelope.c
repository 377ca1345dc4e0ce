#include "tunnel/envelope.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "tunnel/canonical.h"

enum part { ID, TYPE, TS, AGENT_ID, PAYLOAD, SIG, PARTS };

static const char *const names[PARTS] = {
	[ID] = "id",	       [TYPE] = "type", [TS] = "ts", [AGENT_ID] = "agent_id",
	[PAYLOAD] = "payload", [SIG] = "sig",
};

/* The canonical text without `sig`. */
static int compose(const struct canonical_member *parts, struct buf *out)
{
	int rc = buf_append(out, "{", 1);

	for (int i = ID; rc == 0 && i < SIG; i++) {
		rc = buf_appendf(out, "%s\"%s\":", i > ID ? "," : "", names[i]);
		if (rc == 0)
			rc = buf_append(out, parts[i].text.bytes, parts[i].text.len);
	}
	return rc < 0 ? -1 : buf_append(out, "}", 1);
}

/* ---- reading ---- */

static int refuse(const char **reason, const char *word, struct err *err, const char *why)
{
	*reason = word;
	return err_set(err, ERR_INVALID, "%s", why);
}

/* All parts are there, and what is a text or an integer is one. */
static int read_parts(struct envelope *envelope, const struct canonical_member *parts,
		      const struct buf *text, const char **reason, struct err *err)
{
	static const char bad[] = "it is no envelope";

	for (int i = ID; i < SIG; i++)
		if (parts[i].text.len == 0)
			return refuse(reason, "invalid_json", err, bad);
	envelope->value = json_parse(text->bytes, text->len, err);
	if (!envelope->value) {
		*reason = err->code == ERR_NOMEM ? NULL : "invalid_json";
		return -1;
	}
	envelope->id = json_str(envelope->value, "id");
	envelope->type = json_str(envelope->value, "type");
	envelope->payload = json_at(envelope->value, "payload");
	if (envelope->id && (!*envelope->id || strlen(envelope->id) > ENVELOPE_MAX_ID))
		envelope->id = NULL;
	if (!envelope->id || !envelope->type || !json_str(envelope->value, "agent_id") ||
	    parts[TS].text.bytes[strspn(parts[TS].text.bytes, "-0123456789")] != '\0')
		return refuse(reason, "invalid_json", err, bad);
	return 0;
}

/* sig's canonical text is a JSON string, or anything else that is not a signature. */
static bool signature_fits(struct hmac *hmac, const struct buf *sig, const struct buf *text,
			   struct err *err)
{
	unsigned char claimed[HMAC_SIZE], real[HMAC_SIZE];

	return sig->len >= 2 && hmac_parse_hex(sig->bytes + 1, sig->len - 2, claimed) == 0 &&
	       hmac_sign(hmac, text->bytes, text->len, real, err) == 0 && hmac_equal(claimed, real);
}

static int check_signature(const struct envelope_rules *rules, const struct canonical_member *parts,
			   const struct buf *text, const char **reason, struct err *err)
{
	const struct buf *sig = &parts[SIG].text;

	if (!rules->hmac)
		return 0;
	if (sig->len == 0 || strcmp(sig->bytes, "null") == 0)
		return refuse(reason, "missing_signature", err, "it is not signed");
	if (!signature_fits(rules->hmac, sig, text, err))
		return refuse(reason, "bad_signature", err, "its signature is wrong");
	return 0;
}

static int check_freshness(const struct envelope_rules *rules, const struct envelope *envelope,
			   int64_t now, const char **reason, struct err *err)
{
	const int64_t ts = json_int(envelope->value, "ts", INT64_MIN);

	if (!rules->hmac)
		return 0;
	if (ts < now - ENVELOPE_WINDOW || ts > now + ENVELOPE_WINDOW)
		return refuse(reason, "stale_ts", err, "its ts is too far from our clock");
	switch (seen_add(rules->seen, envelope->id, ts, err)) {
	case SEEN_NEW:
		return 0;
	case SEEN_BEFORE:
		return refuse(reason, "repeated_id", err, "its id has been here before");
	case SEEN_TOO_OLD:
		return refuse(reason, "stale_ts", err,
			      "so many came since its ts that its id may have been here before");
	case SEEN_FAILED:
		break;
	}
	*reason = NULL;
	return -1;
}

int envelope_read(const struct envelope_rules *rules, const char *text, size_t len, int64_t now,
		  struct envelope *envelope, const char **reason, struct err *err)
{
	struct canonical_member parts[PARTS] = { 0 };
	struct buf canonical = { 0 };
	int rc = -1;

	memset(envelope, 0, sizeof(*envelope));
	for (int i = ID; i < PARTS; i++)
		parts[i].name = names[i];
	if (canonical_read(text, len, parts, PARTS, err) < 0) {
		*reason = err->code == ERR_NOMEM ? NULL : "invalid_json";
		goto out;
	}
	if (compose(parts, &canonical) < 0) {
		*reason = NULL;
		err_set(err, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (read_parts(envelope, parts, &canonical, reason, err) < 0 ||
	    check_signature(rules, parts, &canonical, reason, err) < 0)
		goto out;
	if (strcmp(json_str(envelope->value, "agent_id"), rules->agent_id) != 0) {
		refuse(reason, "wrong_agent", err, "its agent_id is not ours");
		goto out;
	}
	rc = check_freshness(rules, envelope, now, reason, err);
out:
	for (int i = ID; i < PARTS; i++)
		buf_done(&parts[i].text);
	buf_done(&canonical);
	return rc;
}

void envelope_done(struct envelope *envelope)
{
	json_decref(envelope->value);
	*envelope = (struct envelope){ 0 };
}

/* ---- writing ---- */

static int put_text(struct canonical_member *part, const char *text)
{
	_cleanup_free_ char *quoted = NULL;
	json_t *value = json_string(text);
	struct err err;

	if (value)
		quoted = json_text(value);
	json_decref(value);
	return quoted ? canonical_write(quoted, strlen(quoted), &part->text, &err) : -1;
}

static int put_parts(const struct envelope_rules *rules, const char *type, const json_t *payload,
		     int64_t now, struct canonical_member *parts, struct err *err)
{
	_cleanup_free_ char *text = json_text(payload);
	char id[ID_SIZE];

	id_make(id);
	if (!text || put_text(&parts[ID], id) < 0 || put_text(&parts[TYPE], type) < 0 ||
	    put_text(&parts[AGENT_ID], rules->agent_id) < 0 ||
	    buf_appendf(&parts[TS].text, "%lld", (long long)now) < 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	return canonical_write(text, strlen(text), &parts[PAYLOAD].text, err);
}

static int append_signature(struct hmac *hmac, size_t from, struct buf *out, struct err *err)
{
	unsigned char sum[HMAC_SIZE];
	char hex[2 * HMAC_SIZE + 1];

	if (hmac_sign(hmac, out->bytes + from, out->len - from, sum, err) < 0)
		return -1;
	for (size_t i = 0; i < HMAC_SIZE; i++) {
		hex[2 * i] = "0123456789abcdef"[sum[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
	}
	hex[2 * HMAC_SIZE] = '\0';
	out->len--; /* the closing brace */
	return buf_appendf(out, ",\"sig\":\"sha256=%s\"}", hex) < 0
		   ? err_set(err, ERR_NOMEM, "out of memory")
		   : 0;
}

int envelope_write(const struct envelope_rules *rules, const char *type, const json_t *payload,
		   int64_t now, struct buf *out, struct err *err)
{
	struct canonical_member parts[PARTS] = { 0 };
	const size_t from = out->len;
	int rc = put_parts(rules, type, payload, now, parts, err);

	if (rc == 0 && compose(parts, out) < 0)
		rc = err_set(err, ERR_NOMEM, "out of memory");
	if (rc == 0 && rules->hmac)
		rc = append_signature(rules->hmac, from, out, err);
	for (int i = ID; i < PARTS; i++)
		buf_done(&parts[i].text);
	return rc;
}
