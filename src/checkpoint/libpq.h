/* libpq: Postgres' client library, loaded when the first store on Postgres is opened.
 *
 * It brings twenty libraries with it, which a process on SQLite would spend a third of
 * its start on. The names of its functions stand for members of a table here, so that
 * code reads as usual. elg__pq_load comes before any of them.
 */
#ifndef ELG_CHECKPOINT_LIBPQ_H
#define ELG_CHECKPOINT_LIBPQ_H

#include <libpq-fe.h>

#include "base/status.h"

/* What of libpq is used: X(name without "PQ"). */
#define ELG_PQ_FUNCTIONS(X)                                                              \
    X(clear)                                                                             \
    X(cmdTuples)                                                                         \
    X(connectPoll)                                                                       \
    X(connectStartParams)                                                                \
    X(conninfoFree)                                                                      \
    X(conninfoParse)                                                                     \
    X(consumeInput)                                                                      \
    X(enterPipelineMode)                                                                 \
    X(errorMessage)                                                                      \
    X(finish)                                                                            \
    X(flush)                                                                             \
    X(fname)                                                                             \
    X(freemem)                                                                           \
    X(ftype)                                                                             \
    X(getResult)                                                                         \
    X(getisnull)                                                                         \
    X(getlength)                                                                         \
    X(getvalue)                                                                          \
    X(isBusy)                                                                            \
    X(nfields)                                                                           \
    X(notifies)                                                                          \
    X(ntuples)                                                                           \
    X(parameterStatus)                                                                   \
    X(pipelineSync)                                                                      \
    X(resultErrorField)                                                                  \
    X(resultErrorMessage)                                                                \
    X(resultStatus)                                                                      \
    X(sendPrepare)                                                                       \
    X(sendQuery)                                                                         \
    X(sendQueryParams)                                                                   \
    X(sendQueryPrepared)                                                                 \
    X(serverVersion)                                                                     \
    X(setNoticeReceiver)                                                                 \
    X(setnonblocking)                                                                    \
    X(socket)                                                                            \
    X(status)                                                                            \
    X(transactionStatus)

#define ELG_PQ_MEMBER(name) __typeof__(&PQ##name) name;
struct elg_pq {
    ELG_PQ_FUNCTIONS(ELG_PQ_MEMBER)
};
extern struct elg_pq elg__pq;

/* Loads it, once per process; it stays. ELG_UNSUPPORTED: it is not there, or too old. */
enum elg_status elg__pq_load(struct elg_error *error);

#ifndef ELG_PQ_NAMES
#define PQclear elg__pq.clear
#define PQcmdTuples elg__pq.cmdTuples
#define PQconnectPoll elg__pq.connectPoll
#define PQconnectStartParams elg__pq.connectStartParams
#define PQconninfoFree elg__pq.conninfoFree
#define PQconninfoParse elg__pq.conninfoParse
#define PQconsumeInput elg__pq.consumeInput
#define PQenterPipelineMode elg__pq.enterPipelineMode
#define PQerrorMessage elg__pq.errorMessage
#define PQfinish elg__pq.finish
#define PQflush elg__pq.flush
#define PQfname elg__pq.fname
#define PQfreemem elg__pq.freemem
#define PQftype elg__pq.ftype
#define PQgetResult elg__pq.getResult
#define PQgetisnull elg__pq.getisnull
#define PQgetlength elg__pq.getlength
#define PQgetvalue elg__pq.getvalue
#define PQisBusy elg__pq.isBusy
#define PQnfields elg__pq.nfields
#define PQnotifies elg__pq.notifies
#define PQntuples elg__pq.ntuples
#define PQparameterStatus elg__pq.parameterStatus
#define PQpipelineSync elg__pq.pipelineSync
#define PQresultErrorField elg__pq.resultErrorField
#define PQresultErrorMessage elg__pq.resultErrorMessage
#define PQresultStatus elg__pq.resultStatus
#define PQsendPrepare elg__pq.sendPrepare
#define PQsendQuery elg__pq.sendQuery
#define PQsendQueryParams elg__pq.sendQueryParams
#define PQsendQueryPrepared elg__pq.sendQueryPrepared
#define PQserverVersion elg__pq.serverVersion
#define PQsetNoticeReceiver elg__pq.setNoticeReceiver
#define PQsetnonblocking elg__pq.setnonblocking
#define PQsocket elg__pq.socket
#define PQstatus elg__pq.status
#define PQtransactionStatus elg__pq.transactionStatus
#endif

#endif
