// A plug-in of qemu that counts the instructions of a program and writes the number into the file $COUNT. How docs/decisions/0032 counted steps of attention on Arm64:
//
//   apt-get install qemu-user gcc     (the static qemu of eng/arm64-tests.sh takes no plug-ins; the rest of its folder serves)
//   gcc -O2 -shared -fPIC -o count.so eng/count-instructions.c
//   COUNT=64.txt DOTNET_ROOT=FOLDER/dotnet DOTNET_TieredCompilation=0 DOTNET_EnableWriteXorExecute=0 qemu-aarch64 -plugin ./count.so -L FOLDER/root -cpu neoverse-n1 PROGRAM steps balanced 1024 64
//
// and again with 192 steps. PROGRAM is Kvant.Benchmarks with a start for Arm64 beside its libraries, made as the script makes that of the tests.
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct qemu_plugin_tb;
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(uint64_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(uint64_t, void (*)(uint64_t, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

int qemu_plugin_version = 1;
static uint64_t count;

// 0 is the operation "add" of an inline callback.
static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &count, qemu_plugin_tb_n_insns(block));
}

static void ended(uint64_t id, void *unused)
{
    FILE *file = fopen(getenv("COUNT"), "w");
    if (file) {
        fprintf(file, "%" PRIu64 "\n", count);
        fclose(file);
    }
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    if (!getenv("COUNT"))
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, 0);
    return 0;
}
