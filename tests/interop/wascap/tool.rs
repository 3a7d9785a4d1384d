// SPDX-License-Identifier: Apache-2.0
//! The `wascap` crate as a test tool: the same token and component format by another implementation.
//!
//!   wascap-tool key KIND                       a fresh key: {"seed", "public"}
//!   wascap-tool sign KIND SEED CLAIMS          CLAIMS is the JSON of the claims; prints the token
//!   wascap-tool validate KIND TOKEN            {"claims", "validation"}
//!   wascap-tool sign-component IN OUT ISSUER-SEED SUBJECT-SEED NAME
//!   wascap-tool inspect COMPONENT              {"jwt", "claims", "validation"}, or null without a token
//!   wascap-tool hash COMPONENT                 what its token would name
//!
//! KIND is component, provider, account, operator, cluster or host. Exit status 1 with the crate's message when it
//! refuses.
use nkeys::{KeyPair, KeyPairType};
use serde::{de::DeserializeOwned, Serialize};
use serde_json::{json, Value};
use std::{env, error::Error, fs, process::exit};
use wascap::jwt::{
    validate_token, Account, CapabilityProvider, Claims, Cluster, Component, Host, Operator, WascapEntity,
};
use wascap::wasm::{extract_claims, sign_buffer_with_claims};

type Outcome = Result<Value, Box<dyn Error>>;

fn sign<T: Serialize + DeserializeOwned + WascapEntity>(seed: &str, claims: &str) -> Outcome {
    let claims: Claims<T> = serde_json::from_str(claims)?;
    Ok(Value::String(claims.encode(&KeyPair::from_seed(seed)?)?))
}

fn validate<T: Serialize + DeserializeOwned + WascapEntity>(token: &str) -> Outcome {
    let validation = validate_token::<T>(token)?;
    Ok(json!({"claims": Claims::<T>::decode(token)?, "validation": validation}))
}

/// Calls a generic function with the metadata type that a kind has.
macro_rules! with_kind {
    ($kind:expr, $function:ident ( $($argument:expr),* )) => {
        match $kind {
            "component" => $function::<Component>($($argument),*),
            "provider" => $function::<CapabilityProvider>($($argument),*),
            "account" => $function::<Account>($($argument),*),
            "operator" => $function::<Operator>($($argument),*),
            "cluster" => $function::<Cluster>($($argument),*),
            "host" => $function::<Host>($($argument),*),
            other => Err(format!("unknown kind {other}").into()),
        }
    };
}

fn key(kind: &str) -> Outcome {
    let key = KeyPair::new(match kind {
        "component" => KeyPairType::Module,
        "provider" => KeyPairType::Service,
        "account" => KeyPairType::Account,
        "operator" => KeyPairType::Operator,
        "cluster" => KeyPairType::Cluster,
        "host" => KeyPairType::Server,
        other => return Err(format!("unknown kind {other}").into()),
    });
    Ok(json!({"seed": key.seed()?, "public": key.public_key()}))
}

fn signed(bytes: &[u8], issuer: &KeyPair, subject: &KeyPair, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let name = name.to_string();
    Ok(sign_buffer_with_claims(name, bytes, subject, issuer, None, None, vec![], false, None, None, None)?)
}

fn sign_component(from: &str, to: &str, issuer: &str, subject: &str, name: &str) -> Outcome {
    let out = signed(&fs::read(from)?, &KeyPair::from_seed(issuer)?, &KeyPair::from_seed(subject)?, name)?;
    fs::write(to, out)?;
    Ok(Value::Null)
}

fn inspect(path: &str) -> Outcome {
    let Some(token) = extract_claims(fs::read(path)?)? else {
        return Ok(Value::Null);
    };
    let validation = validate_token::<Component>(&token.jwt)?;
    Ok(json!({"jwt": token.jwt, "claims": token.claims, "validation": validation}))
}

/// The crate hashes only while it signs.
fn hash(path: &str) -> Outcome {
    let out = signed(&fs::read(path)?, &KeyPair::new_account(), &KeyPair::new_module(), "")?;
    let token = extract_claims(out)?.ok_or("it lost its token")?;
    Ok(Value::String(token.claims.metadata.ok_or("no metadata")?.module_hash))
}

fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["key", kind] => key(kind),
        ["sign", kind, seed, claims] => with_kind!(*kind, sign(seed, claims)),
        ["validate", kind, token] => with_kind!(*kind, validate(token)),
        ["sign-component", from, to, issuer, subject, name] => sign_component(from, to, issuer, subject, name),
        ["inspect", path] => inspect(path),
        ["hash", path] => hash(path),
        _ => Err("unknown command".into()),
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(Value::String(text)) => println!("{text}"),
        Ok(value) => println!("{value}"),
        Err(e) => {
            eprintln!("{e}");
            exit(1);
        }
    }
}
