// SPDX-License-Identifier: Apache-2.0
//! The HTTP guest in Rust; ../../README.md says what each route answers.

mod fetch;
mod stream;

use stream::copy;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Handler;

wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/hello" => answer(out, 200, "hello from Rust\n"),
            "/echo" => echo(request, out),
            "/headers" => answer(out, 200, &headers(&request)),
            "/query" => answer(out, 200, &describe(&request, query)),
            "/fetch" => fetch::route(request, query, out),
            "/wait" => answer(out, 200, &wait(query)),
            "/random" => answer(out, 200, &random()),
            "/env" => answer(out, 200, &environment()),
            "/stdout" => {
                println!("a line from the guest");
                answer(out, 200, "written\n")
            }
            "/trap" => trap_on_purpose(query),
            "/spin" => loop {
                std::hint::spin_loop();
            },
            "/alloc" => alloc_without_end(),
            _ => answer(out, 404, "no such route\n"),
        }
    }
}

/// The value of `name` in a query, decoded.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?;
    let bytes = pair.1.as_bytes();
    let mut value = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (bytes[at], hex.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                value.push(byte);
                at += 3;
            }
            (byte, _) => {
                value.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(value).ok()
}

/// Starts an answer; the body is open.
pub fn answer_start(out: ResponseOutparam, status: u16, headers: Fields) -> OutgoingBody {
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("the body, taken once");
    ResponseOutparam::set(out, Ok(response));
    body
}

pub fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let headers = Fields::from_list(&[("content-type".into(), b"text/plain".to_vec())]).expect("headers");
    let body = answer_start(out, status, headers);
    let stream = body.write().expect("the stream, taken once");
    let _ = stream::write_all(&stream, text.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn echo(request: IncomingRequest, out: ResponseOutparam) {
    let types = request.headers().get("content-type");
    let headers = Fields::new();
    if !types.is_empty() {
        headers.set("content-type", &types).expect("a content type");
    }
    let incoming = request.consume().expect("the body, taken once");
    let source = incoming.stream().expect("the stream, taken once");
    let body = answer_start(out, 200, headers);
    let sink = body.write().expect("the stream, taken once");
    let whole = copy(&sink, &source).is_ok();
    drop((sink, source));
    if whole {
        // Without a finish the client sees that the body is not complete.
        let trailers = trailers(incoming);
        let _ = OutgoingBody::finish(body, trailers);
    }
}

fn trailers(body: IncomingBody) -> Option<Fields> {
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    future.get()?.ok()?.ok()?
}

fn headers(request: &IncomingRequest) -> String {
    let mut text = String::new();
    for (name, value) in request.headers().entries() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text
}

fn describe(request: &IncomingRequest, query: &str) -> String {
    let method = match request.method() {
        Method::Get => "GET".to_string(),
        Method::Head => "HEAD".to_string(),
        Method::Post => "POST".to_string(),
        other => format!("{other:?}"),
    };
    let authority = request.authority().unwrap_or_default();
    format!("method: {method}\nauthority: {authority}\nquery: {query}\n")
}

fn wait(query: &str) -> String {
    let ms: u64 = query_value(query, "ms").and_then(|digits| digits.parse().ok()).unwrap_or(0);
    wasip2::clocks::monotonic_clock::subscribe_duration(ms * 1_000_000).block();
    format!("waited {ms} ms\n")
}

fn random() -> String {
    let bytes = wasip2::random::random::get_random_bytes(16);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n"
}

fn environment() -> String {
    std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect()
}

#[inline(never)]
fn trap_on_purpose(query: &str) {
    let empty: Vec<u8> = Vec::new();
    println!("{}", empty[query.len()]);
}

fn alloc_without_end() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        std::hint::black_box(&kept);
    }
}
