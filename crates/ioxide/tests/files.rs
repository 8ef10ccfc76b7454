//! Files, by way of the pool.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::OpenOptions;
use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};

use ioxide::fs::{self, File};
use ioxide::{run, spawn, yield_now};

#[test]
fn what_is_written_is_read_and_renamed_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    run(async {
        let below = directory.path().join("a/b");
        fs::create_dir_all(&below).await.unwrap();
        fs::write(below.join("one"), "text").await.unwrap();
        fs::rename(below.join("one"), below.join("two")).await.unwrap();
        assert_eq!(fs::read_to_string(below.join("two")).await.unwrap(), "text");
        assert_eq!(fs::read(below.join("one")).await.unwrap_err().kind(), ErrorKind::NotFound);
        let names: Vec<_> = fs::read_dir(&below).await.unwrap().iter().map(std::fs::DirEntry::file_name).collect();
        assert_eq!(names, ["two"]);
        fs::remove_dir_all(directory.path().join("a")).await.unwrap();
        assert_eq!(fs::metadata(&below).await.unwrap_err().kind(), ErrorKind::NotFound);
    })
    .unwrap();
}

#[test]
fn an_open_file_has_one_position_for_all() {
    let directory = tempfile::tempdir().unwrap();
    run(async {
        let options = OpenOptions::new().read(true).write(true).create(true).clone();
        let file = File::open_with(&options, directory.path().join("file")).await.unwrap();
        file.write_all(vec![7; 100_000]).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Current(-10)).await.unwrap(), 99_990);
        assert_eq!(file.read(4).await.unwrap(), [7; 4]);
        assert_eq!(file.read_to_end().await.unwrap(), [7; 6]);
        assert_eq!(file.read(4).await.unwrap(), []);
        file.set_len(5).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 5);
    })
    .unwrap();
}

/// A named pipe: to open one end of it waits for the other.
fn pipe_in(directory: &Path) -> PathBuf {
    let pipe = directory.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

#[test]
fn the_loop_goes_on_while_a_file_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = pipe_in(directory.path());
    run(async {
        let reader = spawn(fs::read(pipe.clone()));
        yield_now().await;
        fs::write(&pipe, "through").await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), b"through");
    })
    .unwrap();
}

#[test]
fn a_loop_ends_though_a_file_is_still_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = pipe_in(directory.path());
    run(async {
        let reader = spawn(fs::read(pipe.clone()));
        yield_now().await;
        reader.cancel();
        reader.await.unwrap_err();
    })
    .unwrap();
    // Lets the thread go, which is about to open the other end.
    std::fs::write(&pipe, "to nobody").unwrap();
}
