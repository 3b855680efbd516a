//! Files of the model that the package leaves out: fetched from their bucket when an instance starts,
//! in pieces, several at a time, because S3 limits what one connection gets
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html>).

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::{File, OpenOptions};
use mlfn_shim_contract::{FetchedFrom, env as names};
use tokio::task::{JoinSet, spawn_blocking};

use super::objects::{Object, ReadError};
use super::{Aws, AwsError};
use crate::codec::failure::{Code, Failure};
use crate::config::{Package, variable};
use crate::trace::{self, Phase};

/// The size of a piece, in bytes: S3's advice is 8 to 16 MB.
const PIECE: u64 = 8 << 20;

/// Pieces on the way at a time. They are in memory until they are written.
const PIECES: usize = 8;

/// Why the model is not here.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// The package was deployed by something else than the mlfn that made it.
    #[error(
        "the package leaves {path} out, and {} does not say where it is; deploy again with mlfn",
        names::MODEL
    )]
    Unknown {
        /// In the package.
        path: String,
    },
    /// The variable is not what mlfn writes.
    #[error("{} is not readable; deploy again with mlfn", names::MODEL)]
    Malformed(#[source] serde_json::Error),
    /// AWS cannot be asked.
    #[error("the model cannot be fetched")]
    Aws(#[from] AwsError),
    /// The bucket does not give it.
    #[error("{uri} cannot be fetched")]
    Object {
        /// Which.
        uri: String,
        /// Why not.
        source: ReadError,
    },
    /// Somebody changed the object.
    #[error("{uri} does not have {size} bytes any more; deploy again")]
    Changed {
        /// Which.
        uri: String,
        /// As the package says.
        size: u64,
    },
    /// Usually too little room.
    #[error("the model cannot be written; more `ephemeral_storage` may help")]
    Disk(#[from] io::Error),
}

/// The package with its model, wherever that is.
pub(crate) async fn settle(package: Package) -> Result<Package, Failure> {
    if package.model_is_whole() {
        return Ok(package);
    }
    let folder = std::env::temp_dir().join(format!("mlfn-{}", package.config.model_sha256));
    let fetched = fetch(&package, &folder).await;
    fetched.map_err(|error| Failure::new(Code::ModelNotLoaded, crate::chain(&error)))?;
    trace::mark(Phase::Model);
    Ok(package.with_model_in(folder))
}

async fn fetch(package: &Package, folder: &Path) -> Result<(), FetchError> {
    let mut places = places()?;
    let aws = Arc::new(Aws::from_environment()?);
    for (path, size) in &package.config.fetched {
        let target = folder.join(path);
        let place = places.remove(path);
        let place = place.ok_or_else(|| FetchError::Unknown { path: path.clone() })?;
        // An instance that was started anew keeps its files.
        if fs_err::metadata(&target).is_ok_and(|file| file.len() == *size) {
            continue;
        }
        let object = Object {
            bucket: place.bucket,
            key: place.key,
            size: Some(*size),
        };
        download(&aws, object, *size, &target).await?;
    }
    let Some(graph) = &package.config.graph else {
        return Ok(());
    };
    // It has to be beside the weights.
    let target = folder.join(graph);
    let draft = draft(&target)?;
    fs_err::copy(package.graph(), &draft)?;
    Ok(fs_err::rename(draft, target)?)
}

/// Where everything is, by the path in the package.
fn places() -> Result<BTreeMap<String, FetchedFrom>, FetchError> {
    let text = variable(names::MODEL).unwrap_or_else(|| "[]".to_owned());
    let places: Vec<FetchedFrom> = serde_json::from_str(&text).map_err(FetchError::Malformed)?;
    let by_path = |place: FetchedFrom| (place.path.clone(), place);
    Ok(places.into_iter().map(by_path).collect())
}

/// The name of a file until it is whole. Where several instances share the folder, each has its own.
fn draft(target: &Path) -> io::Result<PathBuf> {
    if let Some(parent) = target.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    Ok(name.into())
}

async fn download(
    aws: &Arc<Aws>,
    object: Object,
    size: u64,
    target: &Path,
) -> Result<(), FetchError> {
    let draft = draft(target)?;
    let written = write(aws, Arc::new(object), size, &draft).await;
    let written = written.and_then(|()| Ok(fs_err::rename(&draft, target)?));
    if written.is_err() {
        // The room is needed for the next try.
        let _ = fs_err::remove_file(&draft);
    }
    written
}

async fn write(
    aws: &Arc<Aws>,
    object: Arc<Object>,
    size: u64,
    draft: &Path,
) -> Result<(), FetchError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(draft)?;
    file.set_len(size)?;
    let file = Arc::new(file);
    let mut pieces = pieces(size);
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < PIECES
            && let Some(piece) = pieces.next()
        {
            tasks.spawn(copy(
                Arc::clone(aws),
                Arc::clone(&object),
                piece,
                Arc::clone(&file),
            ));
        }
        match tasks.join_next().await {
            None => return Ok(()),
            Some(Ok(copied)) => copied?,
            Some(Err(error)) => return Err(io::Error::other(error).into()),
        }
    }
}

fn pieces(size: u64) -> impl Iterator<Item = Range<u64>> {
    let count = size.div_ceil(PIECE);
    (0..count).map(move |number| number * PIECE..size.min((number + 1) * PIECE))
}

async fn copy(
    aws: Arc<Aws>,
    object: Arc<Object>,
    piece: Range<u64>,
    file: Arc<File>,
) -> Result<(), FetchError> {
    let start = piece.start;
    let length = piece.end - piece.start;
    let bytes = aws.get_piece(&object, piece).await;
    let bytes = bytes.map_err(|source| FetchError::Object {
        uri: object.uri(),
        source,
    })?;
    if bytes.len() as u64 != length {
        return Err(FetchError::Changed {
            uri: object.uri(),
            size: object.size.unwrap_or_default(),
        });
    }
    let written = spawn_blocking(move || file.file().write_all_at(&bytes, start)).await;
    Ok(written.map_err(io::Error::other)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_of_it_and_nothing_twice() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE + 7] {
            let mut end = 0;
            for piece in pieces(size) {
                assert_eq!(piece.start, end);
                assert!((1..=PIECE).contains(&(piece.end - piece.start)));
                end = piece.end;
            }
            assert_eq!(end, size);
        }
    }
}
