#include "server/admin_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BACKLOG 16

static int make_folders(const char *path, struct err *err)
{
	_cleanup_free_ char *folder = strdup(path);

	if (!folder)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0700) < 0 && errno != EEXIST)
			return err_set(err, ERR_IO, "cannot make %s: %s", folder, strerror(errno));
		*slash = '/';
	}
	return 0;
}

/* Takes a stale socket away. */
static int clear(const char *path, const struct sockaddr_un *address, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFLICT, "%s exists and is not a socket", path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, ERR_IO, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return err_set(err, ERR_CONFLICT, "another process answers on %s", path);
	if (errno != ECONNREFUSED)
		return err_set(err, ERR_IO, "cannot tell whether anybody uses %s: %s", path,
			       strerror(errno));
	if (unlink(path) < 0)
		return err_set(err, ERR_IO, "cannot remove %s: %s", path, strerror(errno));
	return 0;
}

/* The mode is set between bind and listen: before listen nobody can connect. */
static int bind_listen(const char *path, const struct sockaddr_un *address,
		       struct admin_socket *sock, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return err_set(err, ERR_IO, "socket: %s", strerror(errno));
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return err_set(err, ERR_IO, "cannot bind %s: %s", path, strerror(errno));
	if (chmod(path, 0600) < 0 || lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0) {
		err_set(err, ERR_IO, "cannot listen on %s: %s", path, strerror(errno));
		unlink(path);
		return -1;
	}
	*sock = (struct admin_socket){
		.device = st.st_dev,
		.inode = st.st_ino,
		.made = st.st_mtim,
	};
	sock->fd = TAKE_FD(fd);
	return 0;
}

int admin_socket_open(const char *path, struct admin_socket *sock, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_CONFIG, "admin.listen: %s is longer than %zu bytes", path,
			       sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	if (make_folders(path, err) < 0 || clear(path, &address, err) < 0)
		return -1;
	return bind_listen(path, &address, sock, err);
}

void admin_socket_remove(const char *path, const struct admin_socket *sock)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == sock->device && st.st_ino == sock->inode &&
	    st.st_mtim.tv_sec == sock->made.tv_sec && st.st_mtim.tv_nsec == sock->made.tv_nsec)
		unlink(path);
}
