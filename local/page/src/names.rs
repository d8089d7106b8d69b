//! What the items of a Map are called. AWS tells of each when it was at work, but not what it was for; the lines of its
//! calls say that. Where times alone do not tell two of them apart, neither has a name. Pure.

use crate::fold::{Attempt, Item};
use crate::log::ItemCall;
use std::collections::BTreeMap;

/// By how much a call may begin before it was scheduled, or end after that was noticed, as clocks differ; and by how
/// much another one may fit less well and still be the right one, in milliseconds.
const CLOCKS: i64 = 250;
const LIKELY: i64 = 200;

/// Of more items than these none has a name: each is held against each.
const MOST: usize = 500;

/// The names of items, as far as they are certain, by the calls of functions inside of their Map.
pub(crate) fn names(items: &[Item], calls: &[&ItemCall]) -> Vec<Option<String>> {
    let mut groups: BTreeMap<&str, Vec<&ItemCall>> = BTreeMap::new();
    for call in calls {
        groups.entry(&call.item).or_default().push(call);
    }
    let mut found = vec![None; items.len()];
    if items.len() > MOST || groups.len() > MOST {
        return found;
    }
    let names: Vec<&str> = groups.keys().copied().collect();
    // How well each name fits each item.
    let costs: Vec<Vec<Option<i64>>> =
        items.iter().map(|item| groups.values().map(|calls| cost(item, calls)).collect()).collect();
    let best_of_item: Vec<i64> =
        costs.iter().map(|row| row.iter().flatten().min().copied().unwrap_or_default()).collect();
    let best_of_name: Vec<i64> =
        (0..names.len()).map(|name| costs.iter().filter_map(|row| row[name]).min().unwrap_or_default()).collect();
    let is_likely = |item: usize, name: usize| {
        costs[item][name].is_some_and(|cost| cost <= best_of_item[item].min(best_of_name[name]) + LIKELY)
    };
    let mut open: Vec<Vec<usize>> =
        (0..items.len()).map(|item| (0..names.len()).filter(|name| is_likely(item, *name)).collect()).collect();
    // Each call is of some item, so a name that fits one item alone is its. An item that fits one name alone has it
    // only if no lines are missing. What is certain of one leaves less for the others.
    let is_complete = names.len() == items.len();
    loop {
        let of_name = |name: usize| open.iter().filter(|names| names.contains(&name)).count();
        let certain = (0..items.len()).filter(|item| found[*item].is_none()).find_map(|item| {
            let mut names = open[item].iter().copied();
            match open[item].len() {
                1 if is_complete => names.next(),
                _ => names.find(|name| of_name(*name) == 1),
            }
            .map(|name| (item, name))
        });
        let Some((item, name)) = certain else { return found };
        found[item] = Some(names[name].to_owned());
        for (place, names) in open.iter_mut().enumerate() {
            names.retain(|known| place != item && *known != name);
        }
    }
}

/// How far the calls of a name are from the attempts of an item, in milliseconds; `None` if one of them is outside.
fn cost(item: &Item, calls: &[&ItemCall]) -> Option<i64> {
    let one = |call: &&ItemCall| item.attempts.iter().filter_map(|attempt| distance(attempt, call)).min();
    calls.iter().map(one).sum()
}

fn distance(attempt: &Attempt, call: &ItemCall) -> Option<i64> {
    let begun = call.from - attempt.from;
    let ended = match (attempt.to, call.to) {
        (Some(noticed), Some(ended)) => noticed - ended,
        (Some(noticed), None) if call.from > noticed => return None,
        _ => 0,
    };
    (begun >= -CLOCKS && ended >= -CLOCKS).then(|| begun.abs() + ended.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(index: u32, attempts: &[(i64, i64)]) -> Item {
        let attempts: Vec<Attempt> =
            attempts.iter().map(|(from, to)| Attempt { from: *from, to: Some(*to), error: None }).collect();
        Item { index, from: attempts[0].from, to: attempts.last().unwrap().to, error: None, attempts, state: None }
    }

    fn call(item: &str, from: i64, to: i64) -> ItemCall {
        ItemCall { item: item.into(), function: "copy-table".into(), from, to: Some(to), error: None }
    }

    fn named(items: &[Item], calls: &[ItemCall]) -> Vec<String> {
        let names = names(items, &calls.iter().collect::<Vec<_>>());
        names.into_iter().map(|name| name.unwrap_or_else(|| "?".to_owned())).collect()
    }

    #[test]
    fn items_that_are_at_work_side_by_side_are_told_apart_by_their_times() {
        let items = [
            item(0, &[(0, 9_000)]),
            item(1, &[(10, 4_000), (6_000, 9_500)]),
            item(2, &[(20, 7_000)]),
            item(3, &[(9_100, 12_000)]),
        ];
        let calls = [
            call("2024-01-03", 60, 6_950),
            call("2024-01-01", 40, 8_960),
            call("2024-01-04", 9_150, 11_960),
            call("2024-01-02", 50, 3_970),
            call("2024-01-02", 6_040, 9_470),
        ];
        assert_eq!(named(&items, &calls), ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]);
    }

    #[test]
    fn what_times_do_not_tell_apart_has_no_name() {
        let items = [item(0, &[(0, 5_000)]), item(1, &[(10, 5_020)]), item(2, &[(20, 9_000)])];
        let calls = [call("a", 60, 4_950), call("b", 70, 4_960), call("c", 80, 8_950)];
        assert_eq!(named(&items, &calls), ["?", "?", "c"]);
        // The lines of some may be missing.
        assert_eq!(named(&items, &calls[2..]), ["?", "?", "c"]);
        assert_eq!(named(&items, &[]), ["?", "?", "?"]);
    }
}
