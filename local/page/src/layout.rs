//! Where the states of a machine are drawn: layers from top to bottom, a trunk down the middle, a lane for what comes
//! after errors at the right. Pure: the same definition always gives the same picture.

use crate::definition::{Definition, State, StateKind, Way};
use std::collections::{BTreeMap, BTreeSet};

/// Width of a state, in pixels.
pub const WIDTH: f64 = 158.0;
/// Height of a state.
pub const HEIGHT: f64 = 30.0;
/// Between two layers.
const GAP: f64 = 22.0;
/// Between two columns.
const ASIDE: f64 = 26.0;
/// Between the frame of a Map and what is inside.
const FRAME: f64 = 9.0;
/// Height of a frame's head.
const HEAD: f64 = 32.0;
/// How far a channel is from the column at its right.
const CHANNEL: f64 = 12.0;
/// A state that has a place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: StateKind,
    /// Its left edge, in pixels from the left edge of its graph.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What is inside, each with its left and upper edge.
    pub inner: Vec<(f64, f64, Graph)>,
}

/// A way from one state to another, as a line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// By what the one leads to the other.
    pub way: Way,
    /// Its corners.
    pub points: Vec<(f64, f64)>,
}

/// A graph that has been laid out.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Its states.
    pub states: Vec<Placed>,
    /// The ways between them.
    pub lines: Vec<Line>,
    /// Its width, in pixels.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// Where a state stands among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    column: usize,
    layer: usize,
}

/// Lays a definition out.
pub fn layout(definition: &Definition) -> Graph {
    let plan = Plan::new(definition);
    let sized: BTreeMap<&str, Size> =
        definition.states.iter().map(|state| (state.name.as_str(), size(state))).collect();
    let (columns, layers) = plan.extent();
    let mut widths = vec![0.0_f64; columns];
    let mut heights = vec![0.0_f64; layers];
    for (name, cell) in &plan.cells {
        let Size { width, height, .. } = sized[name];
        widths[cell.column] = widths[cell.column].max(width);
        heights[cell.layer] = heights[cell.layer].max(height);
    }
    let lefts = starts(&widths, ASIDE);
    let tops = starts(&heights, GAP);
    let floors: Vec<f64> = tops.iter().zip(&heights).map(|(top, height)| top + height).collect();
    let mut states: Vec<Placed> = definition
        .states
        .iter()
        .map(|state| {
            let cell = plan.cells[state.name.as_str()];
            let Size { width, height, inner } = sized[state.name.as_str()].clone();
            let x = lefts[cell.column] + (widths[cell.column] - width) / 2.0;
            Placed { name: state.name.clone(), kind: state.kind, x, y: tops[cell.layer], width, height, inner }
        })
        .collect();
    let router = Router { plan: &plan, states: &states, lefts: &lefts, floors: &floors };
    let mut lines = Vec::new();
    for state in &definition.states {
        for (way, to) in &state.ways {
            let points = router.route(&state.name, to, *way);
            lines.push(Line { from: state.name.clone(), to: to.clone(), way: *way, points });
        }
    }
    let end =
        |starts: &[f64], sizes: &[f64]| starts.last().copied().unwrap_or(0.0) + sizes.last().copied().unwrap_or(0.0);
    // What leads by the left of the first column needs room there.
    let least = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::min);
    states.iter_mut().for_each(|state| state.x -= least);
    lines.iter_mut().flat_map(|line| &mut line.points).for_each(|point| point.0 -= least);
    Graph { width: end(&lefts, &widths) - least, height: end(&tops, &heights), states, lines }
}

/// How large a state is, and what is inside, each with its left and upper edge.
#[derive(Clone)]
struct Size {
    width: f64,
    height: f64,
    inner: Vec<(f64, f64, Graph)>,
}

fn size(state: &State) -> Size {
    if state.inner.is_empty() {
        return Size { width: WIDTH, height: HEIGHT, inner: Vec::new() };
    }
    let graphs: Vec<Graph> = state.inner.iter().map(layout).collect();
    let height = graphs.iter().map(|graph| graph.height).fold(0.0, f64::max);
    let mut left = FRAME;
    let mut inner = Vec::new();
    for graph in graphs {
        let width = graph.width;
        inner.push((left, HEAD, graph));
        left += width + ASIDE;
    }
    Size { width: left - ASIDE + FRAME, height: HEAD + height + FRAME, inner }
}

/// Where each of these begins, with a gap between two.
fn starts(sizes: &[f64], gap: f64) -> Vec<f64> {
    let mut at = 0.0;
    sizes
        .iter()
        .map(|size| {
            let start = at;
            at += size + gap;
            start
        })
        .collect()
}

/// Which state stands in which layer and column.
struct Plan<'a> {
    cells: BTreeMap<&'a str, Cell>,
    /// The column of what comes after errors, if there is one.
    error_column: Option<usize>,
}

impl<'a> Plan<'a> {
    fn new(definition: &'a Definition) -> Self {
        let main = main_lane(definition);
        let names = || definition.states.iter().map(|state| state.name.as_str());
        let aside: Vec<&str> = names().filter(|name| !main.contains(name)).collect();
        // One alone stands below, where it needs no column.
        let has_lane = aside.len() > 1;
        let forward = forward_ways(definition, &main);
        let layers = layers(definition, &main, &forward);
        let trunk = trunk(definition, &main, &forward);
        let mut cells = BTreeMap::new();
        let mut sides: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for name in names().filter(|name| main.contains(name) && !trunk.contains(name)) {
            sides.entry(layers[name]).or_default().push(name);
        }
        // Places beside the trunk, alternating: -1, +1, -2, +2.
        let mut places: BTreeMap<&str, isize> = trunk.iter().map(|name| (*name, 0)).collect();
        for names in sides.values() {
            for (number, name) in names.iter().enumerate() {
                let step = isize::try_from(number / 2 + 1).unwrap_or(1);
                places.insert(name, if number.is_multiple_of(2) { -step } else { step });
            }
        }
        let least = places.values().copied().min().unwrap_or(0);
        for (name, place) in &places {
            let column = usize::try_from(place - least).unwrap_or_default();
            cells.insert(*name, Cell { column, layer: layers[name] });
        }
        let last_layer = layers.values().copied().max().unwrap_or(0);
        let mut error_column = None;
        if has_lane {
            let column = cells.values().map(|cell| cell.column + 1).max().unwrap_or(0);
            error_column = Some(column);
            let order = lane_order(definition, &aside);
            let first = (last_layer + 1).saturating_sub(order.len());
            for (number, name) in order.into_iter().enumerate() {
                cells.insert(name, Cell { column, layer: first + number });
            }
        } else if let Some(name) = aside.first() {
            let column = trunk.first().map_or(0, |first| cells[first].column);
            cells.insert(name, Cell { column, layer: last_layer + 1 });
        }
        Self { cells, error_column }
    }

    fn extent(&self) -> (usize, usize) {
        let columns = self.cells.values().map(|cell| cell.column + 1).max().unwrap_or(0);
        (columns, self.cells.values().map(|cell| cell.layer + 1).max().unwrap_or(0))
    }

    /// Whether a state stands in this column between the two layers.
    fn is_blocked(&self, column: usize, above: usize, below: usize) -> bool {
        self.cells.values().any(|cell| cell.column == column && cell.layer > above && cell.layer < below)
    }
}

/// The states that are reached without an error, and from which there is a way to a good end.
fn main_lane(definition: &Definition) -> BTreeSet<&str> {
    let plain = |state: &State| {
        let ways: Vec<String> =
            state.ways.iter().filter(|(way, _)| *way != Way::Catch).map(|(_, to)| to.clone()).collect();
        ways
    };
    let mut reached = BTreeSet::new();
    let mut open = vec![definition.start.clone()];
    while let Some(name) = open.pop() {
        let Some(state) = definition.state(&name) else { continue };
        if reached.insert(state.name.as_str()) {
            open.extend(plain(state));
        }
    }
    let mut good: BTreeSet<&str> = definition
        .states
        .iter()
        .filter(|state| state.is_last && state.kind != StateKind::Fail)
        .map(|state| state.name.as_str())
        .collect();
    loop {
        let more: Vec<&str> = definition
            .states
            .iter()
            .filter(|state| !good.contains(state.name.as_str()))
            .filter(|state| plain(state).iter().any(|to| good.contains(to.as_str())))
            .map(|state| state.name.as_str())
            .collect();
        if more.is_empty() {
            break;
        }
        good.extend(more);
    }
    let main: BTreeSet<&str> = reached.intersection(&good).copied().collect();
    // A machine without a good end still has a lane.
    if main.is_empty() { reached } else { main }
}

/// The ways within the main lane, without those that lead back.
fn forward_ways<'a>(definition: &'a Definition, main: &BTreeSet<&'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut forward: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut done = BTreeSet::new();
    let mut path: Vec<(&str, usize)> = Vec::new();
    let Some(start) = definition.state(&definition.start) else { return forward };
    path.push((&start.name, 0));
    while let Some((name, next)) = path.pop() {
        let ways = main_ways(definition, main, name);
        let Some(to) = ways.get(next).copied() else {
            done.insert(name);
            continue;
        };
        path.push((name, next + 1));
        if path.iter().any(|(open, _)| *open == to) {
            continue;
        }
        forward.entry(name).or_default().push(to);
        if !done.contains(to) {
            path.push((to, 0));
        }
    }
    forward
}

fn main_ways<'a>(definition: &'a Definition, main: &BTreeSet<&'a str>, name: &str) -> Vec<&'a str> {
    let ways = definition.state(name).map(|state| state.ways.as_slice()).unwrap_or_default();
    let ways = ways.iter().filter(|(way, _)| *way != Way::Catch).map(|(_, to)| to.as_str());
    ways.filter(|to| main.contains(to)).collect()
}

/// The longest way from the start to each state, in steps.
fn layers<'a>(
    definition: &'a Definition,
    main: &BTreeSet<&'a str>,
    forward: &BTreeMap<&'a str, Vec<&'a str>>,
) -> BTreeMap<&'a str, usize> {
    let mut layers: BTreeMap<&str, usize> = main.iter().map(|name| (*name, 0)).collect();
    // As often as a way can be long.
    for _ in 0..definition.states.len() {
        for (from, ways) in forward {
            for to in ways {
                let below = layers.get(from).copied().unwrap_or(0) + 1;
                if let Some(layer) = layers.get_mut(to) {
                    *layer = (*layer).max(below);
                }
            }
        }
    }
    layers
}

/// The longest way to an end; of equal ones that by the later of a Choice's ways, which is its Default.
fn trunk<'a>(
    definition: &'a Definition,
    main: &BTreeSet<&'a str>,
    forward: &BTreeMap<&'a str, Vec<&'a str>>,
) -> Vec<&'a str> {
    let mut below: BTreeMap<&str, usize> = main.iter().map(|name| (*name, 0)).collect();
    for _ in 0..definition.states.len() {
        for (from, ways) in forward {
            let longest = ways.iter().map(|to| below.get(to).copied().unwrap_or(0) + 1).max().unwrap_or(0);
            below.insert(from, longest);
        }
    }
    let mut trunk = Vec::new();
    let mut at = definition.state(&definition.start).map(|state| state.name.as_str());
    while let Some(name) = at.filter(|name| main.contains(name)) {
        trunk.push(name);
        let ways = forward.get(name).map(Vec::as_slice).unwrap_or_default();
        at = ways.iter().copied().max_by_key(|to| below.get(to).copied().unwrap_or(0));
    }
    trunk
}

/// The states of the error lane, each behind those that lead to it.
fn lane_order<'a>(definition: &'a Definition, lane: &[&'a str]) -> Vec<&'a str> {
    let mut depth: BTreeMap<&str, usize> = lane.iter().map(|name| (*name, 0)).collect();
    for _ in 0..lane.len() {
        for name in lane {
            for (_, to) in definition.state(name).map(|state| state.ways.as_slice()).unwrap_or_default() {
                let below = depth[name] + 1;
                if let Some(known) = depth.get_mut(to.as_str()).filter(|_| below <= lane.len()) {
                    *known = (*known).max(below);
                }
            }
        }
    }
    let mut order = lane.to_vec();
    order.sort_by_key(|name| depth[name]);
    order
}

/// Draws lines between states.
struct Router<'a> {
    plan: &'a Plan<'a>,
    states: &'a [Placed],
    lefts: &'a [f64],
    /// Where the tallest state of each layer ends.
    floors: &'a [f64],
}

impl Router<'_> {
    fn route(&self, from: &str, to: &str, way: Way) -> Vec<(f64, f64)> {
        let place = |name: &str| self.states.iter().find(|state| state.name == name);
        let (Some(a), Some(b)) = (place(from), place(to)) else { return Vec::new() };
        let (start, end) = (self.plan.cells[from], self.plan.cells[to]);
        let middle = |state: &Placed| state.x + state.width / 2.0;
        let side =
            |state: &Placed| state.y + if state.inner.is_empty() { state.height / 2.0 } else { HEAD / 2.0 + 20.0 };
        let (bottom, top) = (a.y + a.height, b.y - 7.0);
        let lane = self.plan.error_column;
        let channel = |column: usize| self.lefts[column] - CHANNEL;
        if way == Way::Catch || (lane == Some(end.column) && lane != Some(start.column)) {
            let x = channel(end.column);
            let from_right = a.x + a.width;
            // One that stands alone below is reached from its left.
            if from_right < x {
                return vec![(from_right, side(a)), (x, side(a)), (x, side(b)), (b.x - 7.0, side(b))];
            }
            return vec![(a.x, side(a)), (x, side(a)), (x, side(b)), (b.x - 7.0, side(b))];
        }
        if end.layer <= start.layer {
            let x = channel(end.column.min(start.column));
            // What stands beside it there is gone around.
            let is_beside = |cell: &Cell| cell.layer == end.layer && (start.column..end.column).contains(&cell.column);
            if self.plan.cells.values().any(is_beside) {
                let above = b.y - GAP / 2.0;
                return vec![(a.x, side(a)), (x, side(a)), (x, above), (middle(b), above), (middle(b), top)];
            }
            return vec![(a.x, side(a)), (x, side(a)), (x, side(b)), (b.x - 7.0, side(b))];
        }
        if start.column == end.column {
            if !self.plan.is_blocked(start.column, start.layer, end.layer) {
                return vec![(middle(a), bottom), (middle(b), top)];
            }
            let x = channel(start.column);
            return vec![(a.x, side(a)), (x, side(a)), (x, side(b)), (b.x - 7.0, side(b))];
        }
        let across = self.floors[start.layer] + GAP / 2.0;
        if !self.plan.is_blocked(end.column, start.layer, end.layer) {
            return vec![(middle(a), bottom), (middle(a), across), (middle(b), across), (middle(b), top)];
        }
        let x = channel(end.column);
        let above = b.y - GAP / 2.0;
        vec![(middle(a), bottom), (middle(a), across), (x, across), (x, above), (middle(b), above), (middle(b), top)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::tests::of_kind;
    use crate::kind::Kind;

    /// All states with their places in the whole picture.
    fn flat(graph: &Graph, x: f64, y: f64, into: &mut Vec<(String, f64, f64, f64, f64, bool)>) {
        for state in &graph.states {
            into.push((
                state.name.clone(),
                x + state.x,
                y + state.y,
                state.width,
                state.height,
                !state.inner.is_empty(),
            ));
            for (left, top, inner) in &state.inner {
                flat(inner, x + state.x + left, y + state.y + top, into);
            }
        }
    }

    #[test]
    fn no_two_states_of_any_kind_overlap_and_all_are_there() {
        for kind in Kind::ALL {
            let definition = of_kind(kind);
            let graph = layout(&definition);
            let mut states = Vec::new();
            flat(&graph, 0.0, 0.0, &mut states);
            assert_eq!(states.len(), definition.len(), "{kind:?}");
            for (place, (name, x, y, width, height, is_frame)) in states.iter().enumerate() {
                assert!(*x >= 0.0 && x + width <= graph.width + 0.1 && y + height <= graph.height + 0.1, "{name}");
                for (other, x2, y2, width2, height2, is_frame2) in &states[place + 1..] {
                    if *is_frame || *is_frame2 {
                        continue;
                    }
                    let apart = x + width <= *x2 || x2 + width2 <= *x || y + height <= *y2 || y2 + height2 <= *y;
                    assert!(apart, "{kind:?}: {name} and {other} overlap");
                }
            }
            assert!(graph.width < 1_200.0 && graph.height < 1_700.0, "{kind:?}: {} x {}", graph.width, graph.height);
        }
    }

    #[test]
    fn no_way_of_the_main_lane_leads_through_a_state() {
        for kind in Kind::ALL {
            let mut graphs = vec![layout(&of_kind(kind))];
            while let Some(graph) = graphs.pop() {
                for line in graph.lines.iter().filter(|line| line.way != Way::Catch) {
                    let others =
                        || graph.states.iter().filter(|state| state.name != line.from && state.name != line.to);
                    for (pair, state) in
                        line.points.windows(2).flat_map(|pair| others().map(move |state| (pair, state)))
                    {
                        let crosses = pair[0].0.min(pair[1].0) < state.x + state.width - 1.0
                            && pair[0].0.max(pair[1].0) > state.x + 1.0
                            && pair[0].1.min(pair[1].1) < state.y + state.height - 1.0
                            && pair[0].1.max(pair[1].1) > state.y + 1.0;
                        assert!(!crosses, "{kind:?}: {} to {} crosses {}", line.from, line.to, state.name);
                    }
                }
                // What is inside a Map is drawn in the same way.
                graphs.extend(graph.states.into_iter().flat_map(|state| state.inner).map(|(_, _, inner)| inner));
            }
        }
    }

    #[test]
    fn the_trunk_leads_down_to_the_good_end() {
        for (kind, order) in [
            (Kind::TransformAndUpsert, ["DetectNewFiles", "PivotFiles", "Upsert", "ReleaseLock", "Loaded"]),
            (Kind::CopyTable, ["KeepTrigger", "PlanCopy", "CopyWindows", "ConcludeCopy", "WouldCopy"]),
            (Kind::AthenaElt, ["CheckCatalog", "BuildTargets", "CleanUp", "Summarize", "Published"]),
            (Kind::MysqlToRedshift, ["InspectSource", "PlanExport", "LoadWindows", "Summarize", "Loaded"]),
        ] {
            let graph = layout(&of_kind(kind));
            let of = |name: &str| graph.states.iter().find(|state| state.name == name).unwrap();
            for pair in order.windows(2) {
                assert!(of(pair[0]).y < of(pair[1]).y, "{pair:?}");
            }
            let failed = of("Failed");
            assert!(graph.states.iter().all(|state| state.x <= failed.x), "errors stand at the right");
            assert_eq!(of(order[1]).x + of(order[1]).width / 2.0, of(order[2]).x + of(order[2]).width / 2.0);
        }
    }
}
