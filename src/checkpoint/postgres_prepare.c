/* postgres_prepare: which statements a connection prepares, and as what. Uses postgres.h.
 */
#include "checkpoint/postgres.h"

#include <stdio.h>

/* Which statements a connection prepares; bits of roles. */
#define OF(role) (1u << ELG_POSTGRES_##role)

static unsigned roles_of(enum elg_postgres_statement statement)
{
    if (statement <= ELG_POSTGRES_CHILDREN_TELL)
        return OF(WRITER) | OF(LOOP) | OF(KEEPER) | OF(ARTIFACTS);
    if (statement <= ELG_POSTGRES_REOPENED_FREE)
        return OF(WRITER);
    if (statement <= ELG_POSTGRES_RUN_EXISTS)
        return OF(LOOP);
    if (statement <= ELG_POSTGRES_ACTIVITIES_FETCH_ONE)
        return 0;
    return statement < ELG_POSTGRES_ARTIFACT_TOUCH ? OF(KEEPER) : OF(ARTIFACTS);
}

bool elg_postgres_prepared(enum elg_postgres_statement statement)
{
    return roles_of(statement) != 0;
}

void elg_postgres_statement_name(enum elg_postgres_statement statement, char out[8])
{
    snprintf(out, 8, "e%d", (int)statement & 0xFF);
}

enum elg_status elg_postgres_prepare(struct elg_postgres_connection *connection,
                                     struct elg_error *error)
{
    if (PQenterPipelineMode(connection->pg) == 0)
        return elg_postgres_lose(connection, NULL, error);
    for (int i = 0; i < ELG_POSTGRES_STATEMENT_COUNT; i++) {
        char name[8];
        elg_postgres_statement_name((enum elg_postgres_statement)i, name);
        if ((roles_of((enum elg_postgres_statement)i) & (1u << connection->role)) != 0 &&
            PQsendPrepare(connection->pg, name,
                          elg_postgres_sql((enum elg_postgres_statement)i), 0, NULL) == 0)
            return elg_postgres_lose(connection, NULL, error);
    }
    if (PQpipelineSync(connection->pg) == 0)
        return elg_postgres_lose(connection, NULL, error);
    return elg_postgres_drain(connection, false, error);
}
