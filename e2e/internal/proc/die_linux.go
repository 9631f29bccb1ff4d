package proc

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel kill the child when a test binary is killed before its clean-up.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
