/* artifact_folder: what the files of the folder back end share. Private to them. */
#ifndef ELG_ACTIVITY_ARTIFACT_FOLDER_H
#define ELG_ACTIVITY_ARTIFACT_FOLDER_H

#include "activity/internal.h"

#include <sys/stat.h>

#define ELG_FOLDER_DURABLE_MAX 256 /* artifacts that are remembered as durable */

struct elg_folder {
    struct elg_artifacts artifacts;
    struct elg_random random;
    char *root;
    bool synced[256]; /* FOLDER/xx is known to be durable */
    /* By their second byte; the last of each. */
    struct elg_hash durable[ELG_FOLDER_DURABLE_MAX];
};

/* Paths of one artifact. */
struct elg_folder_place {
    char hex[ELG_HASH_HEX_SIZE];
    struct elg_buf shard, path, fresh; /* FOLDER/ab, FOLDER/ab/cdef, FOLDER/ab/.new-... */
};

/* Texts end with a NUL that size counts. ELG_NO_MEMORY: nothing is due for fini. */
enum elg_status elg__folder_place_init(struct elg_folder_place *place,
                                       const struct elg_folder *folder,
                                       const struct elg_hash *hash,
                                       struct elg_error *error);
void elg__folder_place_fini(struct elg_folder_place *place);
/* What errno means, with the path. */
enum elg_status elg__folder_fail(struct elg_error *error, const char *path,
                                 const char *what);
/* Since the file's time, by the machine's clock; 0 at least. */
int64_t elg__folder_age_ms(const struct stat *info);

/* A file that whoever removed it left under its other name, because it died there, gets
 * its own back. True: it did; else errno: ENOENT if there is none (any more: somebody
 * else may have done it), or why it cannot be. */
bool elg__folder_put_back(const struct elg_folder_place *place);

/* ---- artifact_folder_list.c: methods of elg_artifacts_ops */
enum elg_status elg__folder_list(struct elg_artifacts *artifacts,
                                 const struct elg_hash *after, elg_artifact_row_fn row,
                                 void *row_self, struct elg_error *error);
enum elg_status elg__folder_remove(struct elg_artifacts *artifacts,
                                   const struct elg_hash *hash, int64_t age_ms_min,
                                   bool *removed, struct elg_error *error);

#endif
