//! A Chromium, spoken to by its debugging protocol over a pipe: JSON texts with a NUL behind each.

use base64::Engine;
use local::browser::Browser;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What the browser says between two pages.
const BETWEEN_PAGES: &str = "Not attached to an active page";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tab, in a window of its own.
#[derive(Clone, Default)]
pub(crate) struct Tab {
    target: String,
    session: String,
}

/// A running browser with one tab, or some.
pub(crate) struct Chromium {
    process: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    next: u64,
    /// The one that is spoken to.
    tab: Tab,
    /// What was told without being asked, such as requests and errors.
    pub(crate) told: Vec<Value>,
}

impl Chromium {
    /// Starts it, with what it keeps in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let browser = Browser::find(&|text| eprintln!("{text}")).unwrap_or_else(|error| panic!("{error}"));
        let mut command = browser.command();
        command.arg(format!("--user-data-dir={}", folder.display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let output = process.stdout.take().unwrap();
        let (send, messages) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(output).split(0).map_while(Result::ok) {
                if serde_json::from_slice(&text).is_ok_and(|message| send.send(message).is_err()) {
                    break;
                }
            }
        });
        let input = process.stdin.take();
        let mut browser = Self { process, input, messages, next: 0, tab: Tab::default(), told: Vec::new() };
        browser.new_tab();
        browser
    }

    /// Opens one more tab, which is spoken to from now on; says which one was before.
    pub(crate) fn new_tab(&mut self) -> Tab {
        let before = std::mem::take(&mut self.tab);
        let created = self.ask("Target.createTarget", json!({"url": "about:blank", "newWindow": true}));
        let target = created["targetId"].as_str().unwrap().to_owned();
        let attached = self.ask("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        self.tab = Tab { target, session: attached["sessionId"].as_str().unwrap().to_owned() };
        for domain in ["Page", "Runtime", "Network", "Log", "DOM", "Security"] {
            self.ask(&format!("{domain}.enable"), json!({}));
        }
        before
    }

    /// Speaks to this tab from now on; says which one was before.
    pub(crate) fn turn_to(&mut self, tab: &Tab) -> Tab {
        std::mem::replace(&mut self.tab, tab.clone())
    }

    /// Closes the tab that is spoken to, and turns to this one.
    pub(crate) fn close_for(&mut self, tab: &Tab) {
        let closed = std::mem::take(&mut self.tab);
        self.ask("Target.closeTarget", json!({"targetId": closed.target}));
        self.turn_to(tab);
    }

    /// Puts the window of the tab away, or back: a tab that nobody can see is hidden.
    pub(crate) fn put_away(&mut self, is_away: bool) {
        let tab = std::mem::take(&mut self.tab);
        let window = self.ask("Browser.getWindowForTarget", json!({"targetId": tab.target}))["windowId"].clone();
        let state = if is_away { "minimized" } else { "normal" };
        self.ask("Browser.setWindowBounds", json!({"windowId": window, "bounds": {"windowState": state}}));
        self.turn_to(&tab);
        self.until(&format!("document.hidden === {is_away}"));
    }

    /// Asks, and waits for the answer. Between two pages there is none to ask, for a moment.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.try_ask(method, params.clone()) {
                Ok(answer) => return answer,
                Err(error) if error["message"] == BETWEEN_PAGES && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(30));
                }
                Err(error) => panic!("{method}: {error}"),
            }
        }
    }

    /// As [`Chromium::ask`], of a page that may be left meanwhile.
    fn try_ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.tab.session.is_empty() {
            message["sessionId"] = self.tab.session.clone().into();
        }
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{message}\0").as_bytes()).unwrap();
        input.flush().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.told.push(message);
        }
    }

    /// Opens an address, and waits until it is loaded.
    pub(crate) fn open(&mut self, address: &str) {
        self.told.clear();
        self.ask("Page.navigate", json!({"url": address}));
        self.wait_for("Page.loadEventFired");
    }

    /// Waits for something to be told.
    fn wait_for(&mut self, method: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.told.iter().any(|message| message["method"] == method) {
            match self.messages.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(message) => self.told.push(message),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("{method} was not told"),
            }
        }
    }

    /// What an expression in the tab is.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true; it may be false, or a page that is being left.
    pub(crate) fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let params = json!({"expression": expression, "returnByValue": true});
            if self.try_ask("Runtime.evaluate", params).is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            let text = "document.body ? document.body.innerText.slice(0, 3000) : ''";
            assert!(Instant::now() < end, "{expression}\n{}", self.evaluate(text));
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The size of the window, in pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.ask("Emulation.setDeviceMetricsOverride", params);
    }

    /// Light or dark, and whether colours are forced.
    pub(crate) fn colours(&mut self, scheme: &str, are_forced: bool) {
        let forced = if are_forced { "active" } else { "none" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "forced-colors", "value": forced},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.ask("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Whether scripts run.
    pub(crate) fn scripts(&mut self, are_on: bool) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({"value": !are_on}));
    }

    /// Keeps a picture of what is seen, if `SLUICE_SCREENSHOTS` names a folder; a small one, as README shows them, if
    /// its name says so.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("SLUICE_SCREENSHOTS") else { return };
        let params = match name.strip_suffix(".webp") {
            Some(_) => json!({"format": "webp", "quality": 60}),
            None => json!({"format": "png"}),
        };
        let answer = self.ask("Page.captureScreenshot", params);
        let bytes = base64::engine::general_purpose::STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        let name = if name.contains('.') { name.to_owned() } else { format!("{name}.png") };
        std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
    }

    /// The document that is open, as text: also where no script runs.
    pub(crate) fn html(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let root = self.ask("DOM.getDocument", json!({"depth": 0}))["root"]["nodeId"].clone();
            match self.try_ask("DOM.getOuterHTML", json!({"nodeId": root})) {
                Ok(answer) => return answer["outerHTML"].as_str().unwrap().to_owned(),
                // It was left meanwhile.
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
        }
    }

    /// The address of the document that is open.
    pub(crate) fn address(&mut self) -> String {
        self.ask("DOM.getDocument", json!({"depth": 0}))["root"]["documentURL"].as_str().unwrap().to_owned()
    }

    /// The first element that a selector finds, also where no script runs.
    fn element(&mut self, selector: &str) -> Value {
        let root = self.ask("DOM.getDocument", json!({"depth": 0}))["root"]["nodeId"].clone();
        let found = self.ask("DOM.querySelector", json!({"nodeId": root, "selector": selector}))["nodeId"].clone();
        assert_ne!(found, 0, "no {selector} in {}", self.html());
        json!({"nodeId": found})
    }

    /// Presses an element with the mouse, and waits until that has led to another document.
    pub(crate) fn follow(&mut self, selector: &str) {
        let element = self.element(selector);
        self.ask("DOM.scrollIntoViewIfNeeded", element.clone());
        let quad = self.ask("DOM.getContentQuads", element)["quads"][0].clone();
        let middle = |place: usize| (quad[place].as_f64().unwrap() + quad[place + 4].as_f64().unwrap()) / 2.0;
        self.told.clear();
        for kind in ["mousePressed", "mouseReleased"] {
            let (x, y) = (middle(0), middle(1));
            let params = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", params);
        }
        self.wait_for("Page.loadEventFired");
    }

    /// Types into a field, in place of what it holds.
    pub(crate) fn fill(&mut self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.ask("DOM.focus", element);
        let all = json!({"type": "keyDown", "key": "a", "commands": ["selectAll"]});
        self.ask("Input.dispatchKeyEvent", all);
        self.ask("Input.insertText", json!({"text": text}));
    }

    /// Presses a key of this name.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let code = match key {
                "Tab" => 9,
                "ArrowLeft" => 37,
                "ArrowRight" => 39,
                _ => 0,
            };
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.ask("Input.dispatchKeyEvent", params);
        }
    }

    /// The addresses that were asked for since the last page was opened, and what the console and the policy said.
    pub(crate) fn requests_and_complaints(&mut self) -> (Vec<String>, Vec<String>) {
        // What is on its way arrives before the answer.
        self.evaluate("1");
        let requests = self.told.iter().filter(|message| message["method"] == "Network.requestWillBeSent");
        let requests = requests.map(|message| message["params"]["request"]["url"].as_str().unwrap().to_owned());
        let complains = |message: &&Value| {
            let method = message["method"].as_str().unwrap_or_default();
            method == "Log.entryAdded" && message["params"]["entry"]["level"] == "error"
                || method == "Runtime.exceptionThrown"
                || method == "Runtime.consoleAPICalled"
        };
        let complaints = self.told.iter().filter(complains).map(ToString::to_string);
        (requests.collect(), complaints.collect())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends with its pipe.
        drop(self.input.take());
        let end = Instant::now() + Duration::from_secs(5);
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
