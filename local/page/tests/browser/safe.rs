//! Texts of others, and requests of others.

use crate::aws::{Aws, recorded};
use crate::page::Page;
use crate::{browser, enter, is_quiet, see};
use serde_json::json;

/// Acceptance 8: texts of others.
#[test]
fn hostile_texts_stay_texts() {
    let (aws, mut browser) = (Aws::start(), browser());
    let hostile = "</svg><script>window.__hit=1</script>\"'><img src=x onerror=\"window.__hit=1\">\u{202e}\r\n\u{0}<a href=\"javascript:window.__hit=1\">x</a>";
    let key = format!("input_data/{hostile}.csv");
    let name = "<img src=x onerror=window.__hit=1>";
    {
        let mut world = aws.world();
        let mut run = recorded("run-failed-bad-rows");
        let arn = format!("arn:aws:states:us-east-1:000000000000:execution:sluice-pomodoro:{name}");
        let message = format!(
            "2 bad rows: {key}, line 42, column 2 ({hostile}): {hostile}; {key}, line 97: {}",
            "w".repeat(1_000_000)
        );
        run.described["name"] = name.into();
        run.described["executionArn"] = arn.clone().into();
        run.described["error"] = "InvalidSource".into();
        run.described["cause"] = json!({"errorType": "InvalidSource", "errorMessage": message}).to_string().into();
        run.described["input"] = json!({"detail": {"object": {"key": key}}, hostile: hostile}).to_string().into();
        run.described["startDate"] = 1_795_661_299.0.into();
        run.described["stopDate"] = 1_795_661_300.0.into();
        world.jobs.get_mut("pomodoro").unwrap().1.insert(0, run);
        let line = json!({"timestamp": "2026-11-26T02:45:58.4Z", "level": "ERROR", "message": hostile, "field": hostile,
                          "span": {"sfn.execution_id": arn}});
        world.log = vec![
            json!({"logGroupName": "/aws/lambda/x-pivot", "logStreamName": "s", "timestamp": 1_795_661_299_400_i64, "message": line.to_string()}),
        ];
        world.objects.insert(key.replace(['\u{0}', '\r', '\n'], ""), b"x".to_vec());
        let rows = format!(
            "source_key,source_etag,line,column,column_name,reason,raw\n\"{}\",e,42,2,n,\"not a number\",secret-cell\n",
            key.replace('"', "\"\"")
        );
        world.objects.insert("quarantine/pomodoro/bad/batch-00000.csv".to_owned(), rows.into_bytes());
    }
    let page = Page::local(&aws);
    enter(&mut browser, &page);
    let run = "/jobs/pomodoro/runs/%3Cimg%20src%3Dx%20onerror%3Dwindow.__hit%3D1%3E";
    for (path, is_there) in [
        ("/", "document.querySelector('.oneerror') !== null"),
        (run, "document.querySelectorAll('#log tbody tr').length === 1 && document.querySelector('.error') !== null"),
        ("/jobs/pomodoro", "document.querySelectorAll('.colh').length === 7"),
        ("/jobs/pomodoro/files", "document.querySelector('#quarantine tbody') !== null"),
        (
            "/jobs/pomodoro/files/why?key=%3Cscript%3Ewindow.__hit%3D1%3C%2Fscript%3E",
            "document.querySelector('h1') !== null",
        ),
        (
            "/jobs/pomodoro/again?keys=%3Cscript%3Ewindow.__hit%3D1%3C%2Fscript%3E%22",
            "document.querySelector('textarea') !== null",
        ),
        ("/jobs/%3Cscript%3Ewindow.__hit%3D1%3C%2Fscript%3E?tz=%3Cscript%3E", "document.querySelector('h1') !== null"),
    ] {
        for width in [1280, 390] {
            browser.resize(width, 800);
            see(&mut browser, &page, path, is_there);
            assert_eq!(browser.evaluate("typeof window.__hit"), "undefined", "{path}");
            let hrefs = "[...document.querySelectorAll('a')].filter((a) => a.protocol === 'javascript:').length + document.querySelectorAll('main img, main script').length";
            assert_eq!(browser.evaluate(hrefs), 0, "{path}");
            assert!(
                browser.evaluate("document.scrollingElement.scrollWidth").as_u64().unwrap() <= u64::from(width),
                "{path} {width}"
            );
            assert!(!browser.evaluate("document.body.textContent").as_str().unwrap().contains("secret-cell"), "{path}");
            if !path.contains("jobs/%3C") {
                is_quiet(&mut browser, &page, path);
            }
        }
    }
    // The download has the row, as a file that no browser shows.
    let (status, head, body) = page.get("/jobs/pomodoro/quarantine/bad.csv");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-disposition: attachment") && head.contains("text/csv") && head.contains("nosniff"),
        "{head}"
    );
    assert!(body.contains("secret-cell"));
}

/// Acceptance 9: who is let in.
#[test]
fn others_are_refused_before_aws_is_asked() {
    let aws = Aws::start();
    let page = Page::local(&aws);
    let (port, cookie) = (page.port, page.cookie());
    let own = format!("Host: 127.0.0.1:{port}");
    let post = format!(
        "POST /jobs/pomodoro/run HTTP/1.1\r\n{own}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded"
    );
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nHost: evil.example:{port}\r\nCookie: {cookie}"), 421),
        (format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}"), 421),
        (format!("GET / HTTP/1.1\r\n{own}\r\nOrigin: http://evil.example\r\nCookie: {cookie}"), 403),
        (format!("GET / HTTP/1.1\r\n{own}\r\nSec-Fetch-Site: cross-site\r\nCookie: {cookie}"), 403),
        (format!("GET / HTTP/1.1\r\n{own}"), 403),
        (format!("GET /jobs/pomodoro HTTP/1.1\r\n{own}\r\nCookie: sluice-{port}=0000"), 403),
        (format!("GET /?t=0000 HTTP/1.1\r\n{own}"), 403),
        (format!("GET /live?view=/ HTTP/1.1\r\n{own}"), 403),
        (format!("TRACE / HTTP/1.1\r\n{own}\r\nCookie: {cookie}"), 405),
        (format!("DELETE /jobs/pomodoro HTTP/1.1\r\n{own}\r\nCookie: {cookie}"), 405),
        (format!("{post}\r\nContent-Length: 5"), 403),
        (format!("{post}\r\nOrigin: http://127.0.0.1:{port}\r\nContent-Length: 1048576"), 413),
    ] {
        let (found, answer, _) = page.raw(&head, "once=");
        assert_eq!(found, status, "{head}");
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
    }
    // One whose length is not said is cut off too.
    let long = format!("11170\r\n{}\r\n0\r\n\r\n", "x".repeat(0x11170));
    let head = format!("{post}\r\nOrigin: http://127.0.0.1:{port}\r\nTransfer-Encoding: chunked");
    assert_eq!(page.raw(&head, &long).0, 413);
    assert_eq!(aws.call_count(), 0, "{:?}", aws.world().calls);
    // The printed address lets in, and is not needed any more.
    let (status, head, _) =
        page.raw(&format!("GET {} HTTP/1.1\r\n{own}", page.address.split_once(&port.to_string()).unwrap().1), "");
    assert_eq!(status, 303);
    assert!(head.contains("HttpOnly; SameSite=Strict; Path=/") && head.contains("location: /\r\n"), "{head}");
    let (status, head, _) = page.get("/");
    assert_eq!(status, 200);
    for part in [
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: same-origin",
        "cache-control: no-store",
    ] {
        assert!(head.contains(part), "{part}: {head}");
    }
    // A page of another start refuses the cookie of this one.
    let other = Page::local(&aws);
    let (status, _, body) = other.raw(
        &format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {cookie}; sluice-{}={}",
            other.port,
            other.port,
            cookie.split('=').nth(1).unwrap()
        ),
        "",
    );
    assert!(status == 403 && body.contains("cargo local up"), "{status} {body}");
}
