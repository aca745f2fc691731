/* sandbox: what a step costs: putting the state back, and the whole of decode, run,
 * encode, hash, with 1 KB of state. Prints one line each, medians in microseconds.
 *
 * Uses the inside of the library. sandbox COMPILER [steps] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sandbox/program.h"

static const char SOURCE[] =
    "local elg = require 'elg'\n"
    "local function total(items)\n"
    "  local sum = 0\n"
    "  for _, item in ipairs(items) do sum = sum + item.price * item.qty * (1 - "
    "(item.discount or 0)) end\n"
    "  return sum\n"
    "end\n"
    "return elg.graph { id = 'order', version = '1', entry = 'price',\n"
    "  nodes = { price = function(state, input)\n"
    "    local gross = total(state.items)\n"
    "    state.totals.gross = gross\n"
    "    state.totals.vat = math.floor(gross * 21 + 0.5) / 100\n"
    "    state.turn = state.turn + 1\n"
    "    state.status = gross > 500 and 'large' or 'small'\n"
    "    state.log[#state.log + 1] = string.format('turn %d: %s by %s', state.turn, "
    "state.status, state.assignee)\n"
    "    if #state.log > 4 then table.remove(state.log, 1) end\n"
    "    return state.status, { gross = gross, items = #state.items }\n"
    "  end },\n"
    "  edges = { { from = 'price', key = 'large', to = 'price' }, { from = 'price', key "
    "= 'small', to = 'price' } } }\n";

static const char STATE[] =
    "{\"assignee\":\"amber\",\"class\":\"standard\",\"customer\":{\"email\":\"m.lopez@"
    "example.com\","
    "\"name\":\"Maria "
    "Lopez\",\"region\":\"EU\",\"tags\":[\"gold\",\"b2b\",\"early\"],\"visits\":17},"
    "\"items\":[{\"discount\":0.05,\"price\":19.99,\"qty\":3,\"sku\":\"AX-1009\"},{"
    "\"price\":249.5,"
    "\"qty\":1,\"sku\":\"BR-2210\"},{\"price\":7.25,\"qty\":12,\"sku\":\"CD-0042\"},{"
    "\"discount\":0.1,"
    "\"price\":88.8,\"qty\":2,\"sku\":\"DX-7781\"},{\"price\":3.5,\"qty\":6,\"sku\":\"EF-"
    "3300\"},"
    "{\"price\":120,\"qty\":1,\"sku\":\"GG-9120\"}],\"log\":[\"turn 0: created by "
    "import\",\"turn 0: "
    "assigned default queue\",\"turn 0: waiting for validation\"],\"notes\":\"Customer "
    "asked for "
    "delivery before noon; the gate code is with the concierge. Second address kept on "
    "file: Calle "
    "de la Luna 14, 28004 Madrid, third floor, bell marked LF. Call ahead "
    "twice.\",\"order\":"
    "\"ord-2026-000184\",\"queue\":{\"amber\":12,\"blue\":7,\"green\":9.5,\"red\":31},"
    "\"risk\":0.125,"
    "\"status\":\"new\",\"totals\":{\"gross\":0,\"net\":0,\"shipping\":0,\"vat\":0},"
    "\"turn\":0}";

static enum elg_status read_source(void *self, const char *path, struct elg_buf *out,
                                   struct elg_error *error)
{
    (void)self;
    (void)path;
    (void)error;
    elg_base_buf_append_str(out, SOURCE);
    return ELG_OK;
}

static void check(enum elg_status status, const struct elg_error *error)
{
    if (status == ELG_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", elg_status_name(status), error->where, error->text);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

#define BATCH 50 /* steps between two looks at the clock */

static double restore_us(struct elg_program *program, double *times, size_t batches)
{
    struct elg_clock clock = elg_base_clock_system();
    struct elg_error error;
    for (size_t b = 0; b < batches; b++) {
        int64_t start = elg_base_monotonic_us(clock);
        for (int i = 0; i < BATCH * 10; i++)
            check(elg_sandbox_program_restore(program, &error), &error);
        times[b] = (double)(elg_base_monotonic_us(clock) - start) / (BATCH * 10);
    }
    return median(times, batches);
}

static void one_step(struct elg_sandbox *box, struct elg_program *program,
                     struct elg_sha256 *sha, struct elg_outcome *out)
{
    struct elg_error error;
    struct elg_hash hash;
    struct elg_job job = {ELG_JOB_NODE,
                          "price",
                          {(const uint8_t *)STATE, sizeof STATE - 1},
                          {(const uint8_t *)"{}", 2},
                          "trace",
                          3,
                          1,
                          "price",
                          "seed",
                          1700000000000,
                          100000000,
                          64u << 20};
    check(elg_sandbox_begin(box, program, &job, &error), &error);
    check(elg_sandbox_resume(box, NULL, out, &error), &error);
    if (out->kind != ELG_OUTCOME_DONE) {
        fprintf(stderr, "%s\n", out->message != NULL ? out->message : "not done");
        exit(1);
    }
    elg_base_sha256(sha, out->state, &hash);
    elg_base_sha256(sha, out->output, &hash);
}

static double step_us(struct elg_sandbox *box, struct elg_program *program, double *times,
                      size_t batches, uint64_t *fuel)
{
    struct elg_clock clock = elg_base_clock_system();
    struct elg_sha256 *sha = elg_base_sha256_create(elg_base_alloc_default());
    struct elg_outcome out;
    for (size_t b = 0; b < batches; b++) {
        int64_t start = elg_base_monotonic_us(clock);
        for (int i = 0; i < BATCH; i++)
            one_step(box, program, sha, &out);
        times[b] = (double)(elg_base_monotonic_us(clock) - start) / BATCH;
    }
    *fuel = out.fuel;
    elg_base_sha256_destroy(sha);
    return median(times, batches);
}

int main(int argc, char **argv)
{
    size_t batches = (argc > 2 ? strtoul(argv[2], NULL, 10) : 20000) / BATCH;
    struct elg_program_loader loader = {read_source, NULL};
    struct elg_sandbox_options options = {0};
    struct elg_compiler *compiler;
    struct elg_sandbox *box;
    struct elg_program *program;
    struct elg_error error;
    uint64_t fuel;
    if (argc < 2 || batches == 0)
        return 2;
    double *times = calloc(batches, sizeof *times);
    check(elg_sandbox_compiler_create(NULL, argv[1], &compiler, &error), &error);
    options.compiler = compiler;
    check(elg_sandbox_create(&options, &box, &error), &error);
    check(elg_sandbox_program_create(box, "order.lua", &loader, &program, &error),
          &error);
    printf("image: %zu bytes\n", program->image_bytes);
    printf("restore: %.2f us\n", restore_us(program, times, batches));
    printf("step of %zu bytes of state: %.2f us\n", sizeof STATE - 1,
           step_us(box, program, times, batches, &fuel));
    printf("fuel: %llu\n", (unsigned long long)fuel);
    elg_sandbox_program_destroy(program);
    elg_sandbox_destroy(box);
    elg_sandbox_compiler_destroy(compiler);
    free(times);
    return 0;
}
