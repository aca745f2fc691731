/* limits: the named maximum of every loop, queue, buffer and depth (I15), in one place.
 */
#ifndef ELG_BASE_LIMITS_H
#define ELG_BASE_LIMITS_H

#define ELG_JSON_DEPTH_MAX 128              /* nested arrays and objects */
#define ELG_JSON_TEXT_BYTES_MAX (64u << 20) /* one JSON text */
/* Documents that elg itself writes have values within them, some levels further in. */
#define ELG_JSON_DOCUMENT_DEPTH_MAX (ELG_JSON_DEPTH_MAX + 16)
#define ELG_JSON_DOCUMENT_BYTES_MAX (2047u << 20) /* a journal with all its payloads */
#define ELG_TRACE_BYTES_MAX 128                   /* a trace id: [A-Za-z0-9._:-]+ */
#define ELG_KEY_BYTES_MAX 1024                    /* a key that names a run */
#define ELG_NAME_BYTES_MAX 128 /* node, edge key, graph id, activity name */
#define ELG_GRAPH_NODES_MAX 4096
#define ELG_GRAPH_EDGES_MAX 16384
#define ELG_GRAPH_SOURCES_MAX 256       /* files of one graph */
#define ELG_SOURCE_BYTES_MAX (1u << 20) /* one file of Lua */
#define ELG_COMPILE_MS_MAX 5000         /* the compile helper's time for one file */
#define ELG_COMPILE_TRIES 3             /* with a new helper, if one dies of a file */
#define ELG_ACTIVITIES_PER_STEP_MAX 1000
#define ELG_ALL_CALLS_MAX 256          /* entries of one ctx.all */
#define ELG_CHILDREN_IN_FLIGHT_MAX 256 /* of one call of ctx.map, begun and not ended */
#define ELG_CHILDREN_IN_HAND_MAX                                                         \
    256                              /* runs of one process while it takes up children   \
                                      */
#define ELG_CHILD_DEPTH_MAX 16       /* runs above a child */
#define ELG_SIGNALS_WAITING_MAX 1000 /* of one run, not yet consumed */
#define ELG_SIGNALS_WAITING_BYTES_MAX (64u << 20) /* their payloads */
#define ELG_STEPS_PER_RUN_MAX 1000000
#define ELG_ATTEMPTS_PER_NODE_MAX 1000
#define ELG_CLAIMS_MAX 10               /* claims without progress: quarantine, I11 */
#define ELG_CLAIMS_UNLOADED_MAX 5       /* claims, if each time it cannot be loaded */
#define ELG_STATE_BYTES_MAX (16u << 20) /* canonical state, output, request, result */
/* Larger payloads live in artifacts. */
#define ELG_PAYLOAD_INLINE_BYTES_MAX (256u << 10)
#define ELG_ARTIFACT_BYTES_MAX (1u << 30)
#define ELG_HTTP_BODY_BYTES_MAX (16u << 20) /* default limit of a response body */
#define ELG_HTTP_HEADER_BYTES_MAX (256u << 10)
#define ELG_HTTP_REDIRECTS_MAX 10
#define ELG_HTTP_TRANSFERS_MAX 1024           /* at once in one process */
#define ELG_LOG_PER_STEP_MAX 1000             /* ctx.log lines of one attempt */
#define ELG_LOG_BYTES_PER_STEP_MAX (1u << 20) /* of them, as JSON */
#define ELG_COMMIT_QUEUE_BYTES_MAX                                                       \
    (8u << 20)                         /* not yet durable, all runs; then they wait */
#define ELG_COMMIT_BATCH_TURNS_MAX 256 /* turns of one transaction */
#define ELG_FUEL_DEFAULT 100000000     /* VM instructions of one attempt */
#define ELG_MEMORY_BYTES_DEFAULT (64u << 20) /* live Lua memory of one attempt */
#define ELG_MEMORY_BYTES_MAX (UINT64_C(64) << 30)
#define ELG_SLICE_INSTRUCTIONS 10000 /* between two looks at the clock */
#define ELG_SLICE_US_MAX 2000        /* a slice that takes longer: shorter ones */
#define ELG_SLICE_INSTRUCTIONS_MIN 100
#define ELG_STEP_MS_DEFAULT 300000
#define ELG_ACTIVITY_MS_DEFAULT 30000
#define ELG_RUN_MS_DEFAULT 0    /* 0: no limit */
#define ELG_SHORT_SLEEP_MS 1000 /* longer sleeps drop the Lua state */
#define ELG_CONCURRENCY_MAX 100000
#define ELG_JAIL_PROCESSES_MAX 64   /* of one host; then the least used ends */
#define ELG_JAIL_START_MS_MAX 10000 /* until a jailed process has confined itself */
#define ELG_JAIL_LOAD_MS_MAX 60000  /* for loading a graph in it */
#define ELG_JAIL_ANSWER_MS_MAX 5000 /* for a slice, and 1 us per instruction */
#define ELG_JAIL_LOST_MAX 10        /* times an attempt's process may be killed, I11 */
#define ELG_JAIL_MESSAGE_BYTES_MAX (192u << 20) /* three values and room; replies */
#define ELG_CLAIM_BATCH_RUNS_MAX 64 /* taken up, or handed back, in one transaction */
#define ELG_RETRY_RUNS_MAX 4096     /* opened again at once, a run and its children */
#define ELG_SERVE_RUNS_DEFAULT 64   /* in hand at once, of a host that serves */
#define ELG_SERVE_ENDING 3        /* those that wait for the disk to end: so many times */
#define ELG_SERVE_ASK_US 5000     /* between two questions whether there is work */
#define ELG_SERVE_LOOK_US 1000000 /* between two looks without being told */
#define ELG_OUTAGE_TELL_US_MIN 2000000  /* at first told again after so long, then */
#define ELG_OUTAGE_TELL_US_MAX 60000000 /* twice as long, at most */
#define ELG_SERVE_PASSED_MAX 256     /* runs that could not be loaded here, passed over */
#define ELG_SERVE_PASS_US_MIN 250000 /* at first for so long, then twice as long, */
#define ELG_SERVE_PASS_US_MAX 60000000 /* at most */
#define ELG_SERVE_REFUSED_MAX 8        /* in a row, then the next look waits */
#define ELG_SERVE_PARK_MS 2000    /* a longer wait is nobody's until its time comes */
#define ELG_GC_TREES_MAX 256      /* removed in one transaction */
#define ELG_GC_AGE_MS_MIN 3600000 /* no artifact that was put later is removed */
#define ELG_GC_GRAPH_AGE_MS_MIN                                                          \
    86400000                       /* no graph that was; hosts put theirs twice a day */
#define ELG_STUCK_US 60000000      /* a tick that lasts longer lets the leases go */
#define ELG_LEASE_MARGIN_US 500000 /* left of the lease when an effect starts (I8) */

#endif
