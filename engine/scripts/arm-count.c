/* Counts how often qemu executes each instruction of some functions: a plugin for its user-mode emulation.
 *
 * symbol=TEXT   functions whose name contains TEXT
 * except=TEXT   but not TEXT
 * out=FILE      gets a line "address count encoding" for each instruction, in hexadecimal, decimal, hexadecimal
 *
 * No Debian package ships qemu's header, so the few functions of its plugin interface, version 1, are declared here
 * from their documentation.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct block;
struct instruction;
enum inline_operation { INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct instruction *, enum inline_operation, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
const void *qemu_plugin_insn_data(const struct instruction *);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *);
const char *qemu_plugin_insn_symbol(const struct instruction *);

EXPORT int qemu_plugin_version = 1;

/* Far more than a few functions have; counters must not move, for translated code points to them. */
enum { CAPACITY = 1 << 16 };
static struct {
    uint64_t address, executed;
    uint32_t encoding;
} seen[CAPACITY];
static size_t seen_count;
static const char *symbol = "", *except, *out_path;

static uint64_t *counter_of(const struct instruction *instruction)
{
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    size_t i = 0;
    while (i < seen_count && seen[i].address != address)
        i++;
    if (i == CAPACITY) {
        fputs("arm-count: more instructions than expected\n", stderr);
        abort();
    }
    if (i == seen_count) {
        seen_count++;
        seen[i].address = address;
        memcpy(&seen[i].encoding, qemu_plugin_insn_data(instruction), sizeof seen[i].encoding);
    }
    return &seen[i].executed;
}

static void on_translation(plugin_id id, struct block *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        const char *name = qemu_plugin_insn_symbol(instruction);
        if (name && strstr(name, symbol) && !(except && strstr(name, except)))
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, INLINE_ADD_U64, counter_of(instruction), 1);
    }
}

static void on_exit_of_guest(plugin_id id, void *data)
{
    (void)id, (void)data;
    FILE *out = out_path ? fopen(out_path, "w") : stderr;
    if (!out) {
        perror(out_path);
        return;
    }
    for (size_t i = 0; i < seen_count; i++)
        fprintf(out, "%" PRIx64 " %" PRIu64 " %08" PRIx32 "\n", seen[i].address, seen[i].executed, seen[i].encoding);
    fflush(out);
}

static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? strdup(argument + length + 1) : NULL;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        const char *value;
        if ((value = value_of(arguments[i], "symbol")))
            symbol = value;
        else if ((value = value_of(arguments[i], "except")))
            except = value;
        else if ((value = value_of(arguments[i], "out")))
            out_path = value;
        else
            return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
