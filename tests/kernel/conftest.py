"""One kernel for the tests of a module: starting one takes longer than most of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Kernel


@pytest.fixture(scope="module")
def bare_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel without the extension."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def loaded_kernel(bare_kernel: Kernel) -> Kernel:
    """A kernel with torch imported and the extension loaded."""
    assert bare_kernel.run("%load_ext autograd_magics\nimport torch").own == []
    return bare_kernel


@pytest.fixture
def kernel(loaded_kernel: Kernel) -> Iterator[Kernel]:
    """The module's kernel, given back as it was: nothing recording, default settings."""
    yield loaded_kernel
    after = loaded_kernel.run("%config AutogradMagics.display = 'auto'\n%config AutogradMagics.lang = ''")
    assert after.own == []
    assert loaded_kernel.value("torch._C._len_torch_function_stack()") == "0"
