//! CSV in other encodings, against the same text in UTF-8.

use super::plain;
use serde_json::{Value, json};

const LABELS: [&str; 8] =
    ["windows-1252", "utf-16", "utf-16be", "shift_jis", "gb18030", "big5", "euc-kr", "iso-8859-15"];

/// Fails if a file comes to something else than its text does in UTF-8. The first byte chooses the encoding.
pub(super) fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let label = LABELS[usize::from(*choice) % LABELS.len()];
    // A row in front, or the first bytes may be those of something else than a text.
    let first: &[u8] = match label {
        "utf-16" => b"k\0,\0x\0\n\0",
        "utf-16be" => b"\0k\0,\0x\0\n",
        _ => b"k,x\n",
    };
    let bytes = [first, bytes].concat();
    let spec = |encoding: &str| {
        let format: Value = json!({"header": ["k", "x"], "encoding": encoding});
        let columns = json!({"k": {}, "x": {"nullable": true}});
        plain::spec(json!({"columns": columns, "format": format}), json!({"keys": ["k"], "rows": {}}))
    };
    let found = plain::outcome(&spec(label), &bytes);
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
    let (text, is_wrong) = encoding.decode_without_bom_handling(&bytes);
    // What contradicts what is stated is a bad file.
    let is_marked = text.contains('\u{feff}');
    // Where every second byte is 0, a file that says nothing else is taken for UTF-16.
    if !is_wrong && !is_marked && !text.contains('\0') {
        assert_eq!(found, plain::outcome(&spec("utf-8"), text.as_bytes()), "{label}: {text:?}");
    }
}
