//! What a killed node's storage keeps, on the ground that all worlds stand on: the
//! deterministic runtime. A world's crashes mean something only when what was not synced is
//! lost, and what was is not.

use commonware_runtime::{
    Blob as _, Clock as _, ReadOptions, Runner as _, Spawner as _, Storage as _, Supervisor as _,
    WriteOptions, deterministic,
};
use std::time::Duration;

#[test]
fn what_a_killed_task_had_not_synced_is_lost() {
    deterministic::Runner::timed(Duration::from_secs(60)).start(|context| async move {
        let task = context.child("node").spawn(|context| async move {
            let (blob, _) = context.open("partition", b"blob").await.unwrap();
            blob.write_at(0, b"kept".to_vec(), WriteOptions::default()).await.unwrap();
            blob.sync().await.unwrap();
            blob.write_at(0, b"lost".to_vec(), WriteOptions::default()).await.unwrap();
            context.sleep(Duration::from_secs(3_600)).await;
        });
        context.sleep(Duration::from_millis(100)).await;
        task.abort();
        assert!(task.await.is_err(), "it was killed");
        let (blob, length) = context.open("partition", b"blob").await.unwrap();
        assert_eq!(length, 4);
        let found = blob.read_at(0, 4, ReadOptions::default()).await.unwrap();
        assert_eq!(found.coalesce(), b"kept");
    });
}
