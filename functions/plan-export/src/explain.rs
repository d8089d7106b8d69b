//! Of a window that somebody names: whether it is loaded, by which run, and which run will load it.

use crate::catalogue::Load;
use crate::windows::{Grid, text_of};
use jiff::Timestamp;
use sluice::contract::copy_table::{CatchUp, Moment};
use sluice::contract::mysql_to_redshift::{Explanation, PlannedWindow, Windows};

/// Explains the window in which a time lies. `loads` are the newest ones, of the windows and of the whole table.
pub fn explain(grid: &Grid, spec: &Windows, moment: &Moment, now: Timestamp, loads: &[Load]) -> Explanation {
    let at = text_of(moment).to_owned();
    let Some(planned) = grid.around(moment) else {
        let reason = format!("it lies before the first window, which begins with {}", spec.start.as_str());
        return Explanation { at, window: None, is_loaded: false, reason };
    };
    let (is_loaded, reason) = match holding(grid, &planned, loads) {
        Some(load) => (true, told(load)),
        None => (false, missing(grid, spec, &planned, now)),
    };
    Explanation { at, window: planned.window, is_loaded, reason }
}

fn end_of(planned: &PlannedWindow) -> Option<Timestamp> {
    planned.window.as_ref()?.end.parse().ok()
}

/// The newest load that has the window: its own, or one of the whole table after it was complete.
fn holding<'a>(grid: &Grid, planned: &PlannedWindow, loads: &'a [Load]) -> Option<&'a Load> {
    let time = |bound: &String| if bound.len() == 10 { format!("{bound} 00:00:00") } else { bound.clone() };
    let bounds = planned.bounds.as_ref().map(|bounds| bounds.each_ref().map(time));
    let complete_at = end_of(planned).map(|end| grid.complete_at(end));
    let holds = |load: &&Load| match &load.bounds {
        Some(_) => load.bounds == bounds,
        None => {
            let read_at = format!("{}Z", load.exported_at.replace(' ', "T")).parse::<Timestamp>().ok();
            read_at.zip(complete_at).is_some_and(|(read, complete)| complete <= read)
        }
    };
    loads.iter().filter(holds).max_by(|one, other| one.exported_at.cmp(&other.exported_at))
}

fn told(load: &Load) -> String {
    let what = if load.bounds.is_some() { "loaded" } else { "loaded with the whole table" };
    let run = load.run.rsplit_once('/').map_or(load.run.as_str(), |(run, _)| run);
    format!("{what} by {run}, {} rows read at {} UTC", load.rows, load.exported_at)
}

fn missing(grid: &Grid, spec: &Windows, planned: &PlannedWindow, now: Timestamp) -> String {
    let complete_at = end_of(planned).map(|end| grid.complete_at(end));
    if let Some(at) = complete_at.filter(|at| *at > now) {
        return format!("not loaded: it is complete at {at}");
    }
    match spec.catch_up {
        CatchUp::Missed => "not loaded: the next runs by the clock load what is missing, the oldest first".to_owned(),
        CatchUp::None => {
            "not loaded: a run by the clock loads the newest window only (catch_up none); start one with from and to"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Cursor;
    use serde_json::{Value, json};
    use sluice::contract::mysql_to_redshift::Parts;

    fn explained(windows: Value, at: &str, loads: &[Load]) -> (bool, String) {
        let mut spec = json!({"cursor": "created_at", "zone": "UTC", "start": "2018-07-01"});
        spec.as_object_mut().unwrap().extend(windows.as_object().unwrap().clone());
        let parts = json!({
            "source": {"schema": "prod", "table": "nps"},
            "target": {"table": "nps", "key": ["id"], "mode": "upsert"},
            "windows": spec,
        });
        let spec = serde_json::from_value::<Parts>(parts).unwrap().check().unwrap().windows.unwrap();
        let grid = Grid::new(&spec, Cursor::Date).unwrap();
        let moment = Moment::try_from(at.to_owned()).unwrap();
        let found = explain(&grid, &spec, &moment, "2018-07-04T02:00:00Z".parse().unwrap(), loads);
        (found.is_loaded, found.reason)
    }

    #[test]
    fn it_says_who_loaded_a_window_or_who_will() {
        let load = |bounds: Option<[&str; 2]>, at: &str| Load {
            bounds: bounds.map(|bounds| bounds.map(ToOwned::to_owned)),
            run: format!("arn:x:{at}/00003"),
            exported_at: at.to_owned(),
            rows: "36".to_owned(),
        };
        let own = load(Some(["2018-07-02 00:00:00", "2018-07-03 00:00:00"]), "2018-07-03 02:00:00");
        let (is_loaded, reason) = explained(json!({}), "2018-07-02T12:00:00Z", std::slice::from_ref(&own));
        assert!(is_loaded, "{reason}");
        assert_eq!(reason, "loaded by arn:x:2018-07-03 02:00:00, 36 rows read at 2018-07-03 02:00:00 UTC");
        let whole = load(None, "2018-07-03 09:00:00");
        let both = [own, whole];
        let (is_loaded, reason) = explained(json!({}), "2018-07-02", &both);
        assert!(is_loaded && reason.starts_with("loaded with the whole table by arn:x:2018-07-03 09"), "{reason}");
        for (windows, at, expected) in [
            (json!({}), "2018-07-03", "not loaded: a run by the clock loads the newest window only"),
            (
                json!({"catch_up": "missed"}),
                "2018-07-03",
                "not loaded: the next runs by the clock load what is missing",
            ),
            (json!({"lag_minutes": 180}), "2018-07-03", "not loaded: it is complete at 2018-07-04T03:00:00Z"),
            (json!({}), "2018-06-30", "it lies before the first window, which begins with 2018-07-01"),
        ] {
            let (is_loaded, reason) = explained(windows, at, &both);
            assert!(!is_loaded && reason.starts_with(expected), "{reason}");
        }
    }
}
