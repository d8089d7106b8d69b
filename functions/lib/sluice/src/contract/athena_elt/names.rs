//! What may be called how.

/// Longest name of ours: that of a staging table has some letters more, and Glue takes 255.
const MAX_BYTES: usize = 63;

/// Why nothing can be called so; `None` if it can. Names are quoted in SQL all the same.
///
/// Two underscores are for staging tables, whose names the roles of the functions know by these.
pub(super) fn refuse_name(name: &str) -> Option<String> {
    let first = name.bytes().next().unwrap_or_default();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let has_form = is_plain && (first.is_ascii_lowercase() || first == b'_') && name.len() <= MAX_BYTES;
    let is_free = !name.contains("__") && !name.starts_with("sluice_");
    let what = "is no name: that has 1 to 63 lower-case letters, digits and underscores, no digit first, nowhere two \
                underscores, and does not begin with sluice_";
    (!has_form || !is_free).then(|| format!("{name:?} {what}"))
}
