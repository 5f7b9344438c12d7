//! Disks that are full, and disks that are slow.

use crate::{
    daemon::Daemon,
    load,
    mesh::{Mesh, one_at_a_time},
    run::skipped,
    under::{self, SmallDisk},
};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::Path,
    time::Duration,
};

const CATCH_UP: Duration = Duration::from_secs(60);
const SMALL_BYTES: u64 = 24 * 1024 * 1024;
/// A disk that turns.
const SYNC: Duration = Duration::from_millis(100);

/// Takes all the room that there is.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).expect("there is some room");
    for piece in [64 * 1024, 4 * 1024, 1] {
        loop {
            match file.write_all(&vec![0_u8; piece]) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::StorageFull => break,
                Err(e) => panic!("{e}"),
            }
        }
    }
}

#[test]
fn a_node_whose_disk_is_full_harms_nobody_and_comes_back_with_room() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let disk = match SmallDisk::at(&mesh.folder().join("node-4/data"), SMALL_BYTES) {
        Ok(disk) => disk,
        Err(why) => {
            let name = "a_node_whose_disk_is_full_harms_nobody_and_comes_back_with_room";
            return skipped(name, &why);
        }
    };
    let mut nodes: Vec<Daemon> = (1..=3).map(|n| Daemon::start(&mesh.config(n))).collect();
    let mut last = Daemon::start_under(&disk.under(), &mesh.config(4));
    nodes.iter_mut().chain([&mut last]).for_each(Daemon::until_ready);
    let key = load::prepare(&mesh);
    let ballast = disk.seen().join("ballast");
    load::under_load(&mesh, &key, |load| {
        load.until_more(5);
        fill(&ballast);
        // The node sees it with its next write; the others go on.
        load.until_more(20);
    });
    let said = last.log().to_lowercase();
    assert!(said.contains("no space left") || said.contains("can't be written"), "{said}");
    assert!(!said.contains("stack backtrace"), "{said}");
    if let Some(code) = last.code() {
        assert_eq!(code, 1, "{said}");
        let error = said.lines().rfind(|line| line.starts_with("error: ")).expect("why it ended");
        assert!(error.contains("node-4") && error.contains("disk"), "{error}");
    }

    fs::remove_file(&ballast).expect("the ballast is there");
    if last.code().is_some() {
        last = Daemon::start_under(&disk.under(), &mesh.config(4));
        last.until_ready();
    }
    load::under_load(&mesh, &key, |load| load.until_more(3));
    mesh.until_caught_up("node-4", CATCH_UP);
    mesh.agree();
}

#[test]
fn a_node_with_a_slow_disk_holds_up_nobody_and_follows() {
    let _turn = one_at_a_time();
    let slow = match under::slow_disk(SYNC) {
        Ok(slow) => slow,
        Err(why) => return skipped("a_node_with_a_slow_disk_holds_up_nobody_and_follows", &why),
    };
    let mesh = Mesh::init();
    let mut nodes: Vec<Daemon> = (1..=3).map(|n| Daemon::start(&mesh.config(n))).collect();
    nodes.push(Daemon::start_under(&slow, &mesh.config(4)));
    nodes.iter_mut().for_each(Daemon::until_ready);
    let key = load::prepare(&mesh);
    load::under_load(&mesh, &key, |load| load.until_more(8));
    mesh.until_caught_up("node-4", CATCH_UP);
    mesh.agree();
}
