//! Genesis, snapshots, and random streams of transactions.
