/* The host itself: what keeps runs together, whose files the secrets are, how much room there is.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "command/doctor.h"
#include "exec/run.h"

#define MIB (1024.0 * 1024)
#define ROOM_LITTLE 1024 /* MiB */
#define ROOM_NONE 64	 /* MiB */

/* ---- modes ---- */

/* Ours, and nobody else may do what `refused` says. */
static void check_private(struct doctor *doctor, const char *name, const char *path, mode_t refused)
{
	struct stat st;
	char remedy[PATH_MAX + 64];

	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			doctor_fail(doctor, name, NULL, "%s: %s", path, strerror(errno));
		return;
	}
	snprintf(remedy, sizeof(remedy), "chmod %s '%s'", S_ISDIR(st.st_mode) ? "700" : "600",
		 path);
	if (st.st_mode & refused)
		doctor_fail(doctor, name, remedy, "%s has mode %04o: others can get at it", path,
			    (unsigned)st.st_mode & 07777);
	else if (st.st_uid != getuid() && getuid() != 0)
		doctor_warn(doctor, name, "run doctor, and the verbs, as its owner",
			    "%s belongs to uid %ld, you are uid %ld", path, (long)st.st_uid,
			    (long)getuid());
	else
		doctor_ok(doctor, name, "%s has mode %04o", path, (unsigned)st.st_mode & 07777);
}

/* config.lua with a secret in it is refused by config_load() already; here, who may change it. */
static void check_config(struct doctor *doctor)
{
	const char *path = doctor->config->path;
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & 022))
		doctor_fail(doctor, "config.lua", "chmod go-w it",
			    "%s has mode %04o: others can change what is run", path,
			    (unsigned)st.st_mode & 07777);
}

static void check_modes(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	char runs[PATH_MAX];

	check_config(doctor);
	if (!config->queue.state_dir)
		return;
	if (access(config->queue.path, F_OK) < 0 && errno == ENOENT)
		doctor_ok(doctor, "queue.path", "%s is made when the daemon starts",
			  config->queue.path);
	check_private(doctor, "queue.path", config->queue.path, 077);
	snprintf(runs, sizeof(runs), "%s/runs", config->queue.state_dir);
	check_private(doctor, "logs of runs", runs, 077);
	if (config->admin.socket)
		check_private(doctor, "admin.listen", config->admin.socket, 077);
}

/* ---- room ---- */

/* Of the folder, or of the nearest one above it that is there. */
static int room(const char *folder, struct statvfs *fs, char found[PATH_MAX])
{
	snprintf(found, PATH_MAX, "%s", folder);
	while (statvfs(found, fs) < 0) {
		char *slash = strrchr(found, '/');
		if (!slash || slash == found)
			return -1;
		*slash = '\0';
	}
	return 0;
}

static void check_room(struct doctor *doctor, const char *name, const char *folder)
{
	struct statvfs fs;
	char found[PATH_MAX];

	if (!folder || room(folder, &fs, found) < 0)
		return;
	const double mib = (double)fs.f_bavail * (double)fs.f_frsize / MIB;
	const char *remedy = "make room: queue.keep_days and queue.max_output say what is kept";
	if (mib < ROOM_NONE)
		doctor_fail(doctor, name, remedy, "%.0f MiB are free in %s", mib, found);
	else if (mib < ROOM_LITTLE)
		doctor_warn(doctor, name, remedy, "%.0f MiB are free in %s", mib, found);
	else
		doctor_ok(doctor, name, "%.0f GiB are free in %s", mib / 1024, found);
	if (fs.f_files > 0 && fs.f_favail < 1000)
		doctor_fail(doctor, name, "remove files", "%ju files can be made in %s",
			    (uintmax_t)fs.f_favail, found);
}

void doctor_host(struct doctor *doctor)
{
	doctor_ok(doctor, "containment", "%s", run_containment());
	check_modes(doctor);
	check_room(doctor, "disk of the queue", doctor->config->queue.state_dir);
	check_room(doctor, "disk of /tmp", "/tmp");
}
