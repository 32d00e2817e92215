//! The way out of a mount namespace with what was mounted there, for a container that has none of its own.
//!
//! It knows a copy of the rootfs that belongs to no mount namespace. It refuses the host's: nothing is ever mounted in it,
//! so that nothing has to be unmounted, whoever dies when.
//! What a newcomer would get wrong: the descriptor of a copy is what keeps it mounted, and once that is closed it is
//! unmounted as a whole: whoever has its root goes on seeing all that is mounted below it, and the last to leave frees it.

use crate::interpret::{At, Done};
use crate::mount::{self, Reach};
use crate::script::Call;
use crate::{Fd, ns, path};

/// Joins `namespace`, with a copy of the tree at `rootfs` as the root.
pub(crate) fn to(namespace: Fd, rootfs: Fd) -> Done {
    let copy = mount::clone_tree(rootfs, c"", Reach::Tree).at(Call::OpenTree)?.into_raw();
    ns::join(namespace, libc::CLONE_NEWNS as u32).at(Call::SetNs)?;
    mount::change_directory_to(copy).at(Call::Chdir)?;
    mount::chroot_here().at(Call::Chroot)?;
    path::close(copy);
    Ok(())
}
