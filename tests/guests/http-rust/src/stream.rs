// SPDX-License-Identifier: Apache-2.0
//! Streams: writing as fast as the other side takes, copying piece by piece.

use wasip2::io::streams::{InputStream, OutputStream, StreamError};

const CHUNK_BYTES: u64 = 65536;

pub fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = stream.check_write()?;
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(room as usize));
        stream.write(piece)?;
        bytes = rest;
    }
    Ok(())
}

/// Copies `from` to its end; an error when either side breaks.
pub fn copy(to: &OutputStream, from: &InputStream) -> Result<(), StreamError> {
    loop {
        match from.blocking_read(CHUNK_BYTES) {
            Ok(piece) => write_all(to, &piece)?,
            Err(StreamError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
