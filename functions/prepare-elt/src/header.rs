//! The first line of a file. Pure.

use flate2::read::MultiGzDecoder;
use std::io::Read;

/// How much of a packed file is unpacked at most, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Whether the first line of a file names these columns. `first` is its beginning, or all of it.
///
/// # Errors
/// What the first line says otherwise. What it says is not repeated: of a file without a header it is data.
pub(crate) fn check(key: &str, first: &[u8], is_whole: bool, wanted: &[&str]) -> Result<(), String> {
    let (text, is_whole) = match key.ends_with(".gz") {
        true => unpacked(first, is_whole)?,
        false => (first.to_vec(), is_whole),
    };
    // A byte order mark stands in the line that Athena skips.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let line = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => &text[..end],
        None if is_whole => text,
        None => return Err(format!("the first line does not end within {} bytes", text.len())),
    };
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
    let line = line.map_err(|_| "the first line is not UTF-8".to_owned())?;
    let names = fields(line).ok_or("line 1: a quotation mark is never closed, or text stands behind it")?;
    if names.len() != wanted.len() {
        return Err(format!(
            "line 1 has {} fields, not the {} columns {}",
            names.len(),
            wanted.len(),
            wanted.join(",")
        ));
    }
    match names.iter().zip(wanted).position(|(name, wanted)| name != wanted) {
        None => Ok(()),
        Some(place) => Err(format!("line 1, field {} is not {:?}", place + 1, wanted[place])),
    }
}

/// As much as there is of the first line of a packed file, and whether that is all of the file.
fn unpacked(first: &[u8], is_whole: bool) -> Result<(Vec<u8>, bool), String> {
    let (mut decoder, mut text, mut block) = (MultiGzDecoder::new(first), Vec::new(), [0; 8 << 10]);
    loop {
        match decoder.read(&mut block) {
            Ok(0) => return Ok((text, is_whole)),
            Ok(length) => text.extend_from_slice(&block[..length]),
            // Only its beginning was given.
            Err(_) if !is_whole && !text.is_empty() => return Ok((text, false)),
            Err(_) => return Err("it is called .gz, and cannot be unpacked".to_owned()),
        }
        if text.contains(&b'\n') || text.len() > MOST_BYTES {
            return Ok((text, false));
        }
    }
}

/// The fields of a line, without their quotation marks; `None` if these do not match.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (text, behind) = quoted.split_once('"')?;
                field.push_str(text);
                rest = behind;
                match behind.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.is_empty().then_some(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_same_columns_in_whatever_form_are_taken() {
        for text in [
            "id,the title\n1,x\n",
            "id,the title\r\n1,x\r\n",
            "\"id\",\"the title\"\n",
            "id,the title",
            "\u{feff}id,the title\n",
        ] {
            assert_eq!(check("a.csv", text.as_bytes(), true, &["id", "the title"]), Ok(()), "{text:?}");
            assert_eq!(check("a.csv.gz", &gz(text.as_bytes()), true, &["id", "the title"]), Ok(()), "{text:?}");
        }
        assert_eq!(check("a.csv", b"\"a,b\",\"c\"\"d\"\n", true, &["a,b", "c\"d"]), Ok(()));
        assert_eq!(check("a.csv", b"id\n1,x", false, &["id"]), Ok(()));
    }

    #[test]
    fn a_large_packed_file_is_known_by_its_beginning() {
        // Random enough that it does not shrink to nothing.
        let lines = (0..40_000_u64).map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let packed = gz(format!("id\n{}", lines.collect::<String>()).as_bytes());
        assert!(packed.len() > 64 << 10);
        assert_eq!(check("a.gz", &packed[..64 << 10], false, &["id"]), Ok(()));
    }

    #[test]
    fn other_first_lines_are_told_without_what_they_say() {
        let long = vec![b'x'; 70_000];
        for (key, text, is_whole, why) in [
            ("a.csv", &b"id,genre\n"[..], true, "field 2 is not \"title\""),
            ("a.csv", b"title,id\n", true, "field 1 is not \"id\""),
            ("a.csv", b"secret,data\n", true, "field 1 is not \"id\""),
            ("a.csv", b"id\n", true, "1 fields, not the 2 columns id,title"),
            ("a.csv", b"id,title,\n", true, "3 fields"),
            ("a.csv", b"id,\"title\n", true, "never closed"),
            ("a.csv", b"id,\"title\"x\n", true, "never closed"),
            ("a.csv", b"id,t\xe9tle\n", true, "not UTF-8"),
            ("a.csv", &long, false, "does not end within"),
            ("a.csv.gz", b"id,title\n", true, "cannot be unpacked"),
        ] {
            let told = check(key, text, is_whole, &["id", "title"]).unwrap_err();
            assert!(told.contains(why) && !told.contains("secret"), "{told}");
        }
    }
}
