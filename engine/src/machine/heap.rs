//! The allocator's own store: it keeps what was freed, and a server that was full for a moment would stay as large.

/// Gives what is free back to the system. It goes through all that is free, some milliseconds for 100 MB, so it is for after
/// a crowd has left and not for after each.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    {
        use std::ffi::c_int;

        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> c_int;
        }
        // SAFETY: glibc's, for any number and from any thread.
        unsafe {
            malloc_trim(0);
        }
    }
}
