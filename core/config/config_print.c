#include <string.h>

#include "config/config.h"
#include "script/vm.h"

int config_print(const struct config *config, struct buf *out, struct err *err)
{
	if (buf_append(out, config->printed, strlen(config->printed)) < 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

int config_reference(struct buf *out, struct err *err)
{
	const struct vm_limits limits = { .memory = 16 << 20, .deadline = 5000 };
	struct vm *vm = vm_new(VM_CONFIG, &limits, err);

	if (!vm)
		return -1;
	const int rc = vm_call(vm, "openpr.config_reference", "print", "", 0, out, err);

	vm_free(vm);
	return rc;
}
