//! Which of some names was meant by another one.

/// `; did you mean "amount"?`, if one of `names` is `name` but for case, blanks and one letter in three; else nothing.
///
/// Short names are held to all of their letters: of three others one is soon alike by chance.
pub fn did_you_mean<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let wanted = folded(name);
    let near = names.filter_map(|known| {
        let folded = folded(known);
        let most = folded.len().min(wanted.len()) / 3;
        let is_near = folded.len().abs_diff(wanted.len()) <= most;
        let distance = is_near.then(|| distance(&wanted, &folded)).filter(|distance| *distance <= most)?;
        Some((distance, known))
    });
    near.min().map_or_else(String::new, |(_, near)| format!("; did you mean {near:?}?"))
}

/// The letters of a name, in lower case, without the blanks.
fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// How many letters have to be put in, taken out or changed, or neighbours swapped, to make one word of the other
/// (Damerau and Levenshtein, each letter once).
fn distance(one: &[char], other: &[char]) -> usize {
    let (mut before, mut row) = (Vec::new(), (0..=other.len()).collect::<Vec<usize>>());
    for (place, letter) in one.iter().enumerate() {
        let mut next = vec![place + 1];
        for (column, known) in other.iter().enumerate() {
            let changed = row[column] + usize::from(letter != known);
            let mut least = changed.min(row[column + 1] + 1).min(next[column] + 1);
            if place > 0 && column > 0 && *letter == other[column - 1] && one[place - 1] == *known {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_named_and_nothing_else() {
        for (name, near) in [
            ("Start date", "start date"),
            ("Start date", "START_DATE"),
            ("Start date", "Startdate"),
            ("type", "tpye"),
            ("date", "dte"),
            ("suffix", "sufix"),
            ("id", "ID"),
        ] {
            let hint = format!("; did you mean {near:?}?");
            assert_eq!(did_you_mean(name, ["Alice", near, "50000"].into_iter()), hint, "{name}");
        }
        for (name, other) in [
            ("Name", "Jane"),
            ("id", "if"),
            ("k", "5"),
            ("Start date", "2024-03-01"),
            ("Start date", "End date"),
            ("x", ""),
        ] {
            assert_eq!(did_you_mean(name, [other].into_iter()), "", "{name}, {other}");
        }
    }
}
