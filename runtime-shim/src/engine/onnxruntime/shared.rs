//! A session that several threads run at the same time.
//!
//! ONNX Runtime allows that (<https://onnxruntime.ai/docs/api/c/struct_ort_api.html>: "multiple
//! threads can invoke Run on the same session"), and keeps to it on processors: a run has its own
//! frame, and what runs share (the arena, the patterns of memory, the pool of threads) is behind
//! locks. The `ort` crate asks for `&mut` all the same, because of the execution providers of
//! graphics cards. So the one call is made here.

#![expect(
    unsafe_code,
    reason = "the safe function takes `&mut`, and behind a lock a small model answers up to a fifth \
              fewer requests: decision 0022"
)]

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::{Condvar, Mutex, PoisonError};

use ort::session::Session;
use ort::value::DynValue;
use ort::{AsPointer, Error};

/// The session, and the names that a run needs each time.
pub(super) struct SharedSession {
    session: Session,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
    /// Runs that may begin.
    free: Mutex<usize>,
    /// A run has ended.
    ended: Condvar,
}

impl SharedSession {
    /// For at most so many runs at a time: more need more memory, and are over no sooner.
    pub(super) fn new(session: Session, runs: usize) -> ort::Result<Self> {
        let names = |outlets: &[ort::value::Outlet]| {
            let names = outlets.iter().map(|outlet| CString::new(outlet.name()));
            names.collect::<Result<Vec<_>, _>>().map_err(Error::wrap)
        };
        Ok(Self {
            inputs: names(session.inputs())?,
            outputs: names(session.outputs())?,
            session,
            free: Mutex::new(runs.max(1)),
            ended: Condvar::new(),
        })
    }

    /// Runs the model on one value for each input, in the order of the graph: one value for each
    /// output, in the order of the graph.
    pub(super) fn run(&self, values: &[&DynValue]) -> ort::Result<Vec<DynValue>> {
        if values.len() != self.inputs.len() {
            let (given, taken) = (values.len(), self.inputs.len());
            let message = format!("{given} inputs were given, but the model takes {taken}");
            return Err(Error::new_with_code(
                ort::ErrorCode::InvalidArgument,
                message,
            ));
        }
        let _turn = self.turn();
        let pointers = |names: &[CString]| names.iter().map(|name| name.as_ptr()).collect();
        let (names, wanted): (Vec<_>, Vec<_>) = (pointers(&self.inputs), pointers(&self.outputs));
        let values: Vec<_> = values.iter().map(|value| value.ptr()).collect();
        let mut found = vec![ptr::null_mut(); wanted.len()];
        // SAFETY: the session lives as long as `self`. Names and values are as many as is said, end
        // with a NUL or are valid values, and live until the call returns: they are borrowed from
        // `self` and from the caller. `found` has a place for each output, which ONNX Runtime fills
        // if it is null. That other threads do the same meanwhile is what ONNX Runtime allows.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                ptr::null(),
                names.as_ptr(),
                values.as_ptr(),
                values.len(),
                wanted.as_ptr(),
                wanted.len(),
                found.as_mut_ptr(),
            )
        };
        // SAFETY: the status is the call's, and nobody else has it.
        unsafe { Error::result_from_status(status) }?;
        let found = found.into_iter().map(|value| {
            let value = NonNull::new(value).ok_or_else(|| Error::new("an output is missing"))?;
            // SAFETY: a valid value that is the caller's from now on, allocated by the session.
            Ok(unsafe { DynValue::from_ptr(value, Some(self.session.allocator())) })
        });
        found.collect()
    }

    /// Waits until a run may begin.
    fn turn(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.ended.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(self)
    }
}

/// A run, until it ends.
struct Turn<'a>(&'a SharedSession);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += 1;
        drop(free);
        self.0.ended.notify_one();
    }
}
