#include "policy/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct head { /* the JSON is behind it */
	uint64_t len, memory_limit;
	int64_t time_limit;
	uint64_t on_trial;
};

static int write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		const ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int image_seal(const struct image *image, int *out, struct err *err)
{
	const struct head head = {
		.len = image->len,
		.memory_limit = image->memory_limit,
		.time_limit = image->time_limit,
		.on_trial = image->on_trial,
	};
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	_cleanup_close_ int fd = memfd_create("policies", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write_all(fd, &head, sizeof(head)) < 0 ||
	    write_all(fd, image->text, image->len) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		return err_set(err, ERR_IO, "cannot keep the policies in memory: %s",
			       strerror(errno));
	*out = TAKE_FD(fd);
	return 0;
}

int image_open(int fd, struct image *image, struct err *err)
{
	struct stat st;
	struct head head;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(head))
		return err_set(err, ERR_IO, "a worker got no policies");
	const char *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, ERR_IO, "cannot map the policies: %s", strerror(errno));
	memcpy(&head, map, sizeof(head));
	if (head.len != (size_t)st.st_size - sizeof(head))
		return err_set(err, ERR_IO, "a worker got broken policies");
	*image = (struct image){
		.text = map + sizeof(head),
		.len = head.len,
		.memory_limit = head.memory_limit,
		.time_limit = head.time_limit,
		.on_trial = head.on_trial != 0,
	};
	return 0;
}
