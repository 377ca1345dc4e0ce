/* Feeds every file of a folder to a fuzz target: the corpus as a test, where no libFuzzer is. */

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *where;

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Names each input before it is tried, so that a crash shows which one it was. */
static bool replay(const char *name)
{
	char path[4096];
	FILE *file;
	uint8_t *bytes = NULL;
	size_t size = 0;
	FILE *memory = open_memstream((char **)&bytes, &size);
	int byte;

	snprintf(path, sizeof(path), "%s/%s", where, name);
	file = fopen(path, "rb");
	if (!file || !memory) {
		perror(path);
		return false;
	}
	while ((byte = getc(file)) != EOF)
		putc(byte, memory);
	fclose(file);
	fclose(memory);

	/* A copy of the exact size: a read behind the end is seen. */
	uint8_t *exact = malloc(size ? size : 1);
	if (!exact)
		return false;
	memcpy(exact, bytes, size);
	free(bytes);
	fprintf(stderr, "# %s\n", name);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return true;
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	bool good = true;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	where = argv[1];
	const int count = scandir(where, &entries, is_input, alphasort);
	if (count <= 0) {
		printf("not ok 1 - no inputs in %s\n", where);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		good = replay(entries[i]->d_name) && good;
		free(entries[i]);
	}
	free(entries);
	printf("%s 1 - %d inputs\n", good ? "ok" : "not ok", count);
	return good ? 0 : 1;
}
