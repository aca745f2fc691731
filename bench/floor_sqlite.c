/* floor_sqlite: what SQLite alone does on this disk: the floor that the store is compared
 * with.
 *
 * Uses SQLite and nothing of elg. One table with the key and the size of a step's row,
 * the store's pragmas, a 1 KB payload. Prints one line of JSON per number of rows per
 * commit: rows and commits per second, CPU per row.
 *
 *     floor_sqlite FILE [SECONDS [ROWS_PER_COMMIT ...]]
 *
 * FILE is made and removed. Without numbers: 1 and 16.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD_BYTES 1024
#define WAL_BYTES_MAX (4 << 20)
#define PAGE_BYTES 8192
#define STEPS_PER_RUN 20

static int wal_pages;

static int wal_grown(void *self, sqlite3 *db, const char *name, int pages)
{
    (void)self;
    (void)db;
    (void)name;
    wal_pages = pages;
    return SQLITE_OK;
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(sqlite3 *db, const char *what)
{
    fprintf(stderr, "floor_sqlite: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void exec(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(db, sql);
}

static void files_remove(const char *path)
{
    char name[4096];
    static const char *const SUFFIXES[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, SUFFIXES[i]);
        unlink(name);
    }
}

static sqlite3 *database_open(const char *path)
{
    sqlite3 *db = NULL;
    files_remove(path);
    if (sqlite3_open_v2(path, &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        die(db, path);
    exec(db, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
             "PRAGMA wal_autocheckpoint=0;"
             "CREATE TABLE steps (trace_id TEXT NOT NULL, step_index INTEGER NOT NULL,"
             "  attempt INTEGER NOT NULL, state BLOB NOT NULL);"
             "CREATE UNIQUE INDEX steps_key ON steps (trace_id, step_index, attempt);");
    sqlite3_wal_hook(db, wal_grown, NULL);
    return db;
}

/* Runs are of 20 steps, many at once, and sort by the time of their beginning. */
static void row_write(sqlite3 *db, sqlite3_stmt *insert, int run, int64_t commit)
{
    int64_t step = commit % STEPS_PER_RUN;
    static uint8_t payload[PAYLOAD_BYTES];
    char trace_id[64];
    snprintf(trace_id, sizeof trace_id, "%08llx-0000-7000-8000-%012d",
             (long long)(commit / STEPS_PER_RUN), run);
    memset(payload, (int)(step & 0x7F), sizeof payload);
    sqlite3_bind_text(insert, 1, trace_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 2, step);
    sqlite3_bind_blob(insert, 3, payload, sizeof payload, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE)
        die(db, "insert");
    sqlite3_reset(insert);
}

static void measure(const char *path, double seconds, int rows_per_commit)
{
    sqlite3 *db = database_open(path);
    sqlite3_stmt *insert = NULL;
    if (sqlite3_prepare_v2(db, "INSERT INTO steps VALUES (?, ?, 1, ?)", -1, &insert,
                           NULL) != SQLITE_OK)
        die(db, "prepare");
    int64_t commits = 0;
    double start = seconds_of(CLOCK_MONOTONIC), end = start;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    while (end - start < seconds) {
        exec(db, "BEGIN IMMEDIATE");
        for (int i = 0; i < rows_per_commit; i++)
            row_write(db, insert, i, commits);
        exec(db, "COMMIT");
        commits++;
        if (wal_pages * PAGE_BYTES >= WAL_BYTES_MAX)
            sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        end = seconds_of(CLOCK_MONOTONIC);
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    double rows = (double)commits * rows_per_commit;
    printf("{\"floor\":\"sqlite\",\"rows_per_commit\":%d,\"rows_per_s\":%.0f,"
           "\"commits_per_s\":%.0f,\"cpu_us_per_row\":%.2f}\n",
           rows_per_commit, rows / (end - start), (double)commits / (end - start),
           cpu / rows * 1e6);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    files_remove(path);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "floor_sqlite FILE [SECONDS [ROWS_PER_COMMIT ...]]\n");
        return 2;
    }
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    for (int i = 3; i < argc; i++)
        measure(argv[1], seconds, atoi(argv[i]));
    if (argc <= 3) {
        measure(argv[1], seconds, 1);
        measure(argv[1], seconds, 16);
    }
    return 0;
}
