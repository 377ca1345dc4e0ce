#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "server/admin_socket.h"

static char folder[64], path[128];

static int setup(void **state)
{
	*state = NULL;
	strcpy(folder, "/tmp/opw-admin-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_mode & 07777;
}

static void test_only_its_owner_may_speak(void **state)
{
	struct admin_socket sock;
	struct err err;
	const mode_t before = umask(0);

	(void)state;
	assert_int_equal(admin_socket_open(path, &sock, &err), 0);
	umask(before);
	assert_int_equal(mode_of(path), 0600);
	assert_true(fcntl(sock.fd, F_GETFD) & FD_CLOEXEC);
	const int fd = client_connect_path(path);
	assert_true(fd >= 0);
	close(fd);
	admin_socket_remove(path, &sock);
	assert_int_equal(access(path, F_OK), -1);
	close(sock.fd);
}

static void test_makes_private_folders(void **state)
{
	char deep[256], parent[256];
	struct admin_socket sock;
	struct err err;
	const mode_t before = umask(0);

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/b/admin.sock", folder);
	assert_int_equal(admin_socket_open(deep, &sock, &err), 0);
	umask(before);
	snprintf(parent, sizeof(parent), "%s/a", folder);
	assert_int_equal(mode_of(parent), 0700);
	snprintf(parent, sizeof(parent), "%s/a/b", folder);
	assert_int_equal(mode_of(parent), 0700);
	admin_socket_remove(deep, &sock);
	close(sock.fd);
	rmdir(parent);
	snprintf(parent, sizeof(parent), "%s/a", folder);
	rmdir(parent);
}

static void test_replaces_a_stale_socket(void **state)
{
	struct admin_socket dead, sock;
	struct err err;

	(void)state;
	assert_int_equal(admin_socket_open(path, &dead, &err), 0);
	close(dead.fd); /* as after kill -9: the file stays */
	usleep(20000);	/* the file's time is as coarse as the kernel's tick */
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(admin_socket_open(path, &sock, &err), 0);
	const int fd = client_connect_path(path);
	assert_true(fd >= 0);
	close(fd);
	/* The dead one's file is not this one's. */
	admin_socket_remove(path, &dead);
	assert_int_equal(access(path, F_OK), 0);
	admin_socket_remove(path, &sock);
	close(sock.fd);
}

static void test_leaves_a_live_socket_alone(void **state)
{
	struct admin_socket first, second;
	struct err err;

	(void)state;
	assert_int_equal(admin_socket_open(path, &first, &err), 0);
	assert_int_equal(admin_socket_open(path, &second, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.text, path));
	const int fd = client_connect_path(path);
	assert_true(fd >= 0);
	close(fd);
	admin_socket_remove(path, &first);
	close(first.fd);
}

static void test_leaves_other_files_alone(void **state)
{
	struct admin_socket sock;
	struct err err;
	char target[256];

	(void)state;
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(admin_socket_open(path, &sock, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(admin_socket_open(path, &sock, &err), -1);
	rmdir(path);
	/* A link is not followed, wherever it leads. */
	snprintf(target, sizeof(target), "%s/elsewhere", folder);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(admin_socket_open(path, &sock, &err), -1);
	assert_int_equal(access(target, F_OK), -1);
}

static void test_says_what_is_wrong_with_a_path(void **state)
{
	struct admin_socket sock;
	struct err err;
	char longer[256];

	(void)state;
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "/tmp/", 5);
	longer[200] = '\0';
	assert_int_equal(admin_socket_open(longer, &sock, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(admin_socket_open("/proc/nowhere/admin.sock", &sock, &err), -1);
	assert_int_equal(err.code, ERR_IO);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_only_its_owner_may_speak), CASE(test_makes_private_folders),
		CASE(test_replaces_a_stale_socket),  CASE(test_leaves_a_live_socket_alone),
		CASE(test_leaves_other_files_alone), CASE(test_says_what_is_wrong_with_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
