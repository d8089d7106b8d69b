//! Where the metadata is: before its length and a mark, at the file's end.

use crate::{Checked, Flaw};

/// How much of a file's end is read at first, in bytes: the metadata of most files.
pub const TAIL_BYTES: u64 = 64 << 10;

/// What begins and ends a file.
const MARK: [u8; 4] = *b"PAR1";

/// What replaces [`MARK`] if the metadata is encrypted.
const ENCRYPTED_MARK: [u8; 4] = *b"PARE";

const NO_MARK: &str = "not a Parquet file, or one that was cut off: it does not end with PAR1";

/// What the end of a file comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail<'a> {
    /// The metadata begins before it: so many bytes of the file's end are needed.
    Short(u64),
    /// The metadata.
    Metadata(&'a [u8]),
}

/// Finds the metadata in the last bytes of a file of `size` bytes.
///
/// # Errors
/// It is no Parquet file, is encrypted, or has metadata of more than `most` bytes.
pub fn tail(bytes: &[u8], size: u64, most: u64) -> Checked<Tail<'_>> {
    let (rest, mark) = bytes.split_last_chunk::<4>().ok_or(NO_MARK)?;
    match *mark {
        MARK => {}
        ENCRYPTED_MARK => return Err("its metadata is encrypted; write it without encryption".into()),
        _ => return Err(NO_MARK.into()),
    }
    let (metadata, length) = rest.split_last_chunk::<4>().ok_or(NO_MARK)?;
    let length = u64::from(u32::from_le_bytes(*length));
    // There is another mark at the start.
    if length + 12 > size {
        return Err("its metadata is larger than the file".into());
    }
    if length > most {
        let what = format!("its metadata has more than {} MiB; write it with fewer row groups", most >> 20);
        return Err(Flaw::from(what));
    }
    let start = usize::try_from(length).ok().and_then(|length| metadata.len().checked_sub(length));
    Ok(start.map_or(Tail::Short(length + 8), |start| Tail::Metadata(&metadata[start..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(metadata: &[u8], mark: &[u8]) -> Vec<u8> {
        [metadata, &u32::try_from(metadata.len()).unwrap().to_le_bytes(), mark].concat()
    }

    #[test]
    fn metadata_is_found_or_asked_for() {
        let bytes = end_of(b"metadata", b"PAR1");
        assert_eq!(tail(&bytes, 100, 1 << 20).unwrap(), Tail::Metadata(b"metadata"));
        assert_eq!(tail(&bytes[3..], 100, 1 << 20).unwrap(), Tail::Short(16));
        assert_eq!(tail(&bytes, 20, 1 << 20).unwrap(), Tail::Metadata(b"metadata"));
    }

    #[test]
    fn what_is_no_parquet_file_is_told() {
        for (bytes, size, why) in [
            (b"".to_vec(), 0, "does not end with PAR1"),
            (b"id,title\n1,x\n".to_vec(), 13, "does not end with PAR1"),
            (b"PAR1".to_vec(), 4, "does not end with PAR1"),
            (end_of(b"metadata", b"PARE"), 100, "encrypted"),
            (end_of(b"metadata", b"PAR1"), 19, "larger than the file"),
            (end_of(&[0; 2_000], b"PAR1"), 9_000, "more than 0 MiB"),
        ] {
            let told = tail(&bytes, size, 1_000).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
