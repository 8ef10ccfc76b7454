//! Open files.
//!
//! A thread of the pool can't borrow a task's buffer, so what is read and written is handed over whole.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use crate::task::spawn_blocking;

/// How many bytes one read gives at most.
const MOST_AT_ONCE: usize = 16 << 20;

/// An open file. The kernel keeps one position for it, which reads and writes move.
///
/// It is closed, which seldom blocks, where its last operation ends.
///
/// # Examples
/// ```
/// use std::fs::OpenOptions;
/// use std::io::SeekFrom;
///
/// use ioxide::fs::File;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("file");
/// ioxide::run(async {
///     let file = File::open_with(OpenOptions::new().read(true).write(true).create(true), &path).await?;
///     file.write_all("some text").await?;
///     file.seek(SeekFrom::Start(5)).await?;
///     assert_eq!(file.read(100).await?, b"text");
///     assert_eq!(file.read(100).await?, b"");
///     Ok(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct File {
    file: Arc<std::fs::File>,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// What `open(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(OpenOptions::new().read(true), path).await
    }

    /// Makes a file to write it, in the place of one that is there.
    ///
    /// # Errors
    /// What `open(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(OpenOptions::new().write(true).create(true).truncate(true), path).await
    }

    /// Opens a file as the options say.
    ///
    /// # Errors
    /// What `open(2)` gives.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub async fn open_with(options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<Self> {
        let (options, path) = (options.clone(), path.as_ref().to_owned());
        Ok(spawn_blocking(move || options.open(path)).await??.into())
    }

    /// Reads up to `most` bytes from the position on, and at most 16 MiB. None is the end of the file.
    ///
    /// # Errors
    /// What `read(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up goes on: the position moves, and the bytes are lost.
    pub async fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        self.with(move |mut file| {
            // A number without meaning, such as the greatest, takes no memory.
            let mut buffer = vec![0; most.min(MOST_AT_ONCE)];
            let count = file.read(&mut buffer)?;
            buffer.truncate(count);
            Ok(buffer)
        })
        .await
    }

    /// Reads from the position to the end.
    ///
    /// # Errors
    /// What `read(2)` gives.
    ///
    /// # Cancel safety
    /// As for [`File::read`].
    pub async fn read_to_end(&self) -> io::Result<Vec<u8>> {
        self.with(|mut file| {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            Ok(content)
        })
        .await
    }

    /// Writes all of it at the position, or at the end of a file that was opened to append.
    ///
    /// # Errors
    /// What `write(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up goes on.
    pub async fn write_all(&self, bytes: impl Into<Vec<u8>>) -> io::Result<()> {
        let bytes = bytes.into();
        self.with(move |mut file| file.write_all(&bytes)).await
    }

    /// Moves the position, and returns it.
    ///
    /// # Errors
    /// What `lseek(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up goes on.
    pub async fn seek(&self, position: SeekFrom) -> io::Result<u64> {
        self.with(move |mut file| file.seek(position)).await
    }

    /// Waits until the disk has what was written.
    ///
    /// # Errors
    /// What `fsync(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up goes on.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.with(std::fs::File::sync_all).await
    }

    /// Cuts the file off, or fills it up with zeros.
    ///
    /// # Errors
    /// What `ftruncate(2)` gives.
    ///
    /// # Cancel safety
    /// What is given up goes on.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.with(move |file| file.set_len(size)).await
    }

    /// Tells about the file.
    ///
    /// # Errors
    /// What `fstat(2)` gives.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.with(std::fs::File::metadata).await
    }

    async fn with<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = Arc::clone(&self.file);
        spawn_blocking(move || operation(&file)).await?
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self { file: Arc::new(file) }
    }
}
