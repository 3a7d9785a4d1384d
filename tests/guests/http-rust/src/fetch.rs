// SPDX-License-Identifier: Apache-2.0
//! GET or POST /fetch?url=U: sends the request on to U and relays status and body.

use crate::{answer, answer_start, query_value, stream};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    ResponseOutparam, Scheme,
};

pub fn route(request: IncomingRequest, query: &str, out: ResponseOutparam) {
    let Some(outgoing) = query_value(query, "url").and_then(|url| request_to(&url, request.method())) else {
        return answer(out, 400, "no usable ?url=\n");
    };
    match send(outgoing, request) {
        Ok(response) => relay(response, out),
        Err(error) => answer(out, 502, &format!("error: {}\n", name_of(&error))),
    }
}

fn request_to(url: &str, method: Method) -> Option<OutgoingRequest> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&method).ok()?;
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).ok()?;
    Some(request)
}

fn send(outgoing: OutgoingRequest, request: IncomingRequest) -> Result<IncomingResponse, ErrorCode> {
    let post = matches!(request.method(), Method::Post);
    let body = outgoing.body().expect("the body, taken once");
    let future = outgoing_handler::handle(outgoing, None)?;
    if post {
        let incoming = request.consume().expect("the body, taken once");
        let source = incoming.stream().expect("the stream, taken once");
        let sink = body.write().expect("the stream, taken once");
        let _ = stream::copy(&sink, &source);
        drop((sink, source));
    }
    OutgoingBody::finish(body, None)?;
    future.subscribe().block();
    future.get().expect("ready").expect("taken once")
}

fn relay(response: IncomingResponse, out: ResponseOutparam) {
    let headers = Fields::new();
    headers.set("x-relayed", &[b"1".to_vec()]).expect("a header");
    let incoming = response.consume().expect("the body, taken once");
    let source = incoming.stream().expect("the stream, taken once");
    let body = answer_start(out, response.status(), headers);
    let sink = body.write().expect("the stream, taken once");
    let whole = stream::copy(&sink, &source).is_ok();
    drop((sink, source, incoming));
    if whole {
        let _ = OutgoingBody::finish(body, None);
    }
}

/// The error's name as the WIT spells it, for the ones that the tests look at.
fn name_of(error: &ErrorCode) -> String {
    match error {
        ErrorCode::HttpRequestDenied => "HTTP-request-denied".into(),
        ErrorCode::ConnectionRefused => "connection-refused".into(),
        ErrorCode::DnsError(_) => "DNS-error".into(),
        ErrorCode::DestinationIpProhibited => "destination-IP-prohibited".into(),
        ErrorCode::ConnectionTimeout => "connection-timeout".into(),
        other => format!("{other:?}"),
    }
}
