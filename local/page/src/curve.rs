//! Lines between states, as paths of an SVG.

/// Radius of corners.
const CORNER: f64 = 7.0;

/// A line as the path of an SVG, its corners rounded.
pub fn path(points: &[(f64, f64)]) -> String {
    let Some((first, rest)) = points.split_first() else { return String::new() };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    let mut before = *first;
    for (place, point) in rest.iter().enumerate() {
        match rest.get(place + 1) {
            None => path.push_str(&format!("L{:.1} {:.1}", point.0, point.1)),
            Some(next) => {
                let near = toward(*point, before);
                let far = toward(*point, *next);
                path.push_str(&format!(
                    "L{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}",
                    near.0, near.1, point.0, point.1, far.0, far.1
                ));
            }
        }
        before = *point;
    }
    path
}

/// The point a corner's radius from one toward another, or half the way if that is less.
fn toward(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length == 0.0 {
        return from;
    }
    let part = (CORNER.min(length / 2.0)) / length;
    (from.0 + dx * part, from.1 + dy * part)
}

/// The head of the arrow at the end of a line.
pub fn tip(points: &[(f64, f64)]) -> String {
    let [.., before, (x, y)] = points else { return String::new() };
    let (dx, dy) = (x - before.0, y - before.1);
    let (ux, uy) = if dx.abs() > dy.abs() { (dx.signum(), 0.0) } else { (0.0, dy.signum()) };
    // The line ends where the arrow's head begins.
    let (left, right) = ((x - 4.0 * uy, y - 4.0 * ux), (x + 4.0 * uy, y + 4.0 * ux));
    format!("M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}z", left.0, left.1, right.0, right.1, x + 7.0 * ux, y + 7.0 * uy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_round_and_tips_point_where_the_line_goes() {
        assert_eq!(path(&[(0.0, 0.0), (0.0, 20.0), (20.0, 20.0)]), "M0.0 0.0L0.0 13.0Q0.0 20.0 7.0 20.0L20.0 20.0");
        assert_eq!(tip(&[(5.0, 0.0), (5.0, 9.0)]), "M1.0 9.0L9.0 9.0L5.0 16.0z");
    }
}
