"""A Region's durable truth: one SQLite file, written by group commit, on a disk that can fail.

    await store.commit(Commit(writes=..., outbox=...))    store      one outcome: wholly there, or not at all
      many outcomes, one transaction, under savepoints    store      the next starts when the last has landed
        connection.submit(write)                          connection one transaction = one hop, never interleaved
          disk.submit(...)                                disk       when it completes, or how it fails
            apply_write(connection, write)                queries    synchronous SQL

In virtual time an operation runs on plain sqlite3 when it is submitted and completes when its disk says so
(`InlineConnection`); in real time aiosqlite's thread runs it (`ThreadedConnection`). The same thread under the virtual
loop must give the same trace: there the loop waits for it at the virtual instant of completion.

A crash is a fence first: nothing is acknowledged after it, then the connection dies without a checkpoint, then the disk
tears what nobody was told. The memory twin of these tables is `regionsim.kms.state.RegionState`.
"""
