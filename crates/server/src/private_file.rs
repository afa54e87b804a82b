//! Files that only their owner may read, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes a file with mode 0600 and this content; one that is there already stays as it is. Whether it was made.
///
/// # Errors
/// Whatever the operating system says.
pub fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let draft = write_draft(path, content)?;
    // A link, unlike a rename, never takes the place of a file that another process has just made.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file with mode 0600 and this content, in place of any that is there.
///
/// # Errors
/// Whatever the operating system says; the former file is then untouched.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    rename(&write_draft(path, content)?, path)
}

/// Puts `from` in the place of `to` in one step that outlives a loss of power.
///
/// # Errors
/// Whatever the operating system says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Makes a directory that only its owner may enter, with those above it; one that is there stays as it is.
///
/// # Errors
/// Whatever the operating system says.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The permission bits of a file or directory; always private where the system has none.
///
/// # Errors
/// Whatever the operating system says.
pub fn mode(path: &Path) -> io::Result<u32> {
    let facts = fs::metadata(path)?;
    #[cfg(unix)]
    return Ok(std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o777);
    #[cfg(not(unix))]
    return Ok(if facts.is_dir() { 0o700 } else { 0o600 });
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(name);
    // Only a process of the same number that is no more can have left it.
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(draft)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_with_mode_0600_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(create(&path, b"first").unwrap());
        assert!(!create(&path, b"second").unwrap());
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path).unwrap()), (b"first".as_slice(), 0o600));
        replace(&path, b"third").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path).unwrap()), (b"third".as_slice(), 0o600));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
