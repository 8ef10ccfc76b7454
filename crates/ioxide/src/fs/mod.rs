//! Files, on the threads of the loop's pool: the kernel has no way to wait for a disk as it has for a socket.
//!
//! Each function is its namesake of `std::fs`, and gives the same errors; beside these, what keeps the pool from
//! starting a thread. What is given up goes on, on its thread, and nobody hears of the result: files can be changed by
//! it until the program ends.

mod file;

use std::fs::{Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

pub use file::File;

use crate::task::spawn_blocking;

/// Makes functions of a path from those of `std::fs`.
macro_rules! functions_of_a_path {
    ($($(#[doc = $text:literal])+ $name:ident -> $returned:ty;)+) => {$(
        $(#[doc = $text])+
        ///
        /// # Errors
        /// Those of its namesake in `std::fs`.
        ///
        /// # Panics
        /// When no loop runs on this thread.
        pub async fn $name(path: impl AsRef<Path>) -> io::Result<$returned> {
            let path = path.as_ref().to_owned();
            spawn_blocking(move || std::fs::$name(path)).await?
        }
    )+};
}

functions_of_a_path! {
    /// Reads a whole file.
    ///
    /// # Examples
    /// ```
    /// let own = ioxide::run(async { ioxide::fs::read("/proc/self/comm").await })??;
    /// assert!(own.ends_with(b"\n"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    read -> Vec<u8>;
    /// Reads a whole file of UTF-8.
    ///
    /// # Examples
    /// ```
    /// let version = ioxide::run(async { ioxide::fs::read_to_string("/proc/version").await })??;
    /// assert!(version.contains("Linux"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    read_to_string -> String;
    /// Tells about what is at a path, following symbolic links.
    ///
    /// # Examples
    /// ```
    /// let root = ioxide::run(async { ioxide::fs::metadata("/").await })??;
    /// assert!(root.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    metadata -> Metadata;
    /// As [`metadata`], of a symbolic link itself.
    ///
    /// # Examples
    /// ```
    /// let link = ioxide::run(async { ioxide::fs::symlink_metadata("/proc/self").await })??;
    /// assert!(link.is_symlink());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    symlink_metadata -> Metadata;
    /// Makes a path absolute and free of symbolic links.
    ///
    /// # Examples
    /// ```
    /// let path = ioxide::run(async { ioxide::fs::canonicalize("/proc/../proc").await })??;
    /// assert_eq!(path, std::path::Path::new("/proc"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    canonicalize -> PathBuf;
    /// Makes a directory.
    ///
    /// # Examples
    /// ```
    /// let error = ioxide::run(async { ioxide::fs::create_dir("/proc").await })?.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    create_dir -> ();
    /// Makes a directory, and those that it is to be in.
    ///
    /// # Examples
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("one/in/another");
    /// ioxide::run(async { ioxide::fs::create_dir_all(&path).await })??;
    /// assert!(path.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    create_dir_all -> ();
    /// Removes a directory, which has to be empty.
    ///
    /// # Examples
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path();
    /// ioxide::run(async { ioxide::fs::remove_dir(path).await })??;
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    remove_dir -> ();
    /// Removes a directory with all that is in it.
    ///
    /// # Examples
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path();
    /// std::fs::write(path.join("file"), "")?;
    /// ioxide::run(async { ioxide::fs::remove_dir_all(path).await })??;
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    remove_dir_all -> ();
    /// Removes a file.
    ///
    /// # Examples
    /// ```
    /// let error = ioxide::run(async { ioxide::fs::remove_file("/no such file").await })?.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    remove_file -> ();
}

/// Writes a whole file, in the place of one that is there.
///
/// # Errors
/// Those of its namesake in `std::fs`.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Examples
/// ```
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("greeting");
/// let length = ioxide::run(async {
///     ioxide::fs::write(&path, "hello").await?;
///     Ok::<_, std::io::Error>(ioxide::fs::metadata(&path).await?.len())
/// })??;
/// assert_eq!(length, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn write(path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> io::Result<()> {
    let (path, content) = (path.as_ref().to_owned(), content.into());
    spawn_blocking(move || std::fs::write(path, content)).await?
}

/// Gives what is at a path another one, in the place of what is there.
///
/// # Errors
/// Those of its namesake in `std::fs`.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Examples
/// ```
/// # let directory = tempfile::tempdir()?;
/// let (old, new) = (directory.path().join("old"), directory.path().join("new"));
/// ioxide::run(async {
///     ioxide::fs::write(&old, "text").await?;
///     ioxide::fs::rename(&old, &new).await
/// })??;
/// assert_eq!(std::fs::read_to_string(new)?, "text");
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    spawn_blocking(move || std::fs::rename(from, to)).await?
}

/// Copies a file, and returns how many bytes it has.
///
/// # Errors
/// Those of its namesake in `std::fs`.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Examples
/// ```
/// # let directory = tempfile::tempdir()?;
/// let (one, other) = (directory.path().join("one"), directory.path().join("other"));
/// std::fs::write(&one, "text")?;
/// let size = ioxide::run(async { ioxide::fs::copy(&one, &other).await })??;
/// assert_eq!(size, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    spawn_blocking(move || std::fs::copy(from, to)).await?
}

/// Changes who may do what with a file.
///
/// # Errors
/// Those of its namesake in `std::fs`.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Examples
/// ```
/// use std::os::unix::fs::PermissionsExt;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("script");
/// std::fs::write(&path, "#!/bin/sh")?;
/// let executable = std::fs::Permissions::from_mode(0o755);
/// ioxide::run(async { ioxide::fs::set_permissions(&path, executable).await })??;
/// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o755);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    spawn_blocking(move || std::fs::set_permissions(path, permissions)).await?
}

/// Lists what is in a directory, in no particular order.
///
/// # Errors
/// Those of its namesake in `std::fs`, and of reading on.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Examples
/// ```
/// let names: Vec<_> = ioxide::run(async { ioxide::fs::read_dir("/proc/self").await })??
///     .into_iter()
///     .map(|entry| entry.file_name())
///     .collect();
/// assert!(names.iter().any(|name| name == "status"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<std::fs::DirEntry>> {
    let path = path.as_ref().to_owned();
    spawn_blocking(move || std::fs::read_dir(path)?.collect()).await?
}
