"""Each cause is known by lines that real programs write, and is told with its evidence and a next step."""

import pytest

from mlops_desk.jobs.failure_causes.judge import why
from mlops_desk.jobs.failure_causes.table import CAUSES
from mlops_desk.jobs.records.failure_facts import EndFacts, GpuFacts, XidSeen

_TITLE_LIMIT = 36  # a heading of one line beside the state, at the least width of the pane
_TRACE = 'Traceback (most recent call last):\n  File "/work/train.py", line 12, in <module>\n    main()\n'

LOGS = [
    ("oom_kernel", 137, "[ 12.5] Memory cgroup out of memory: Killed process 4242 (python) total-vm:8923144kB\nKilled"),
    ("oom_cuda", 1, _TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"),
    ("oom_cuda", 1, "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape"),
    ("oom_cuda", 1, "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."),
    ("oom_cuda", 1, "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"),
    ("oom_host", 1, _TRACE + "MemoryError"),
    ("oom_host", 134, "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"),
    ("oom_host", 1, "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array with shape (1, 2)"),
    ("oom_host", 1, ("RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you"
                    " tried to allocate 40000000 bytes.")),
    ("shm_too_small", 1, ("ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared"
                         " memory (shm).\nRuntimeError: DataLoader worker (pid 88) is killed by signal: Bus error.")),
    ("shm_too_small", 1, "RuntimeError: unable to open shared memory object </torch_88_1> in read-write mode"),
    ("shm_too_small", 1, "OSError: [Errno 28] No space left on device: '/dev/shm/psm_12'"),
    ("gpu_lost", 1, "RuntimeError: CUDA error: unknown error\nGPU has fallen off the bus."),
    ("gpu_ecc", 1, "RuntimeError: CUDA error: uncorrectable ECC error encountered"),
    ("nvlink_error", 1, "CUDA error: uncorrectable NVLink error detected during the execution"),
    ("gpu_xid", 1, "NVRM: Xid (PCI:0000:3b:00): 62, pid=1, Internal micro-controller halt"),
    ("gpu_access_lost", 1, "Failed to initialize NVML: Unknown Error"),
    ("driver_mismatch", 1, "Failed to initialize NVML: Driver/library version mismatch"),
    ("driver_mismatch", 1, ("UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found version"
                           " 11040).\nRuntimeError: No CUDA GPUs are available")),
    ("fabric_manager", 1, ("UserWarning: CUDA initialization: Error 802: system not yet initialized\nRuntimeError: No CUDA"
                          " GPUs are available")),
    ("driver_gone", 1, "RuntimeError: No CUDA GPUs are available"),
    ("driver_gone", 1, "AssertionError: Torch not compiled with CUDA enabled"),
    ("gpu_busy", 1, "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable"),
    ("gpu_index", 1, "RuntimeError: CUDA error: invalid device ordinal"),
    ("cuda_no_kernel", 1, "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    ("cuda_no_kernel", 1, ("UserWarning: NVIDIA H100 with CUDA capability sm_90 is not compatible with the current"
                          " PyTorch installation.")),
    ("cuda_assert", 1, "RuntimeError: CUDA error: device-side assert triggered"),
    ("cuda_illegal_access", 1, "RuntimeError: CUDA error: an illegal memory access was encountered"),
    ("cuda_launch_failed", 1, "RuntimeError: CUDA error: unspecified launch failure"),
    ("cudnn_failed", 1, "Could not load library libcudnn_cnn_infer.so.8. Error: libcudnn_cnn_infer.so.8: not found"),
    ("cudnn_failed", 1, "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    ("cublas_failed", 1, "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle)`"),
    ("device_mismatch", 1, "RuntimeError: Expected all tensors to be on the same device, but found at least two devices"),
    ("cuda_error", 1, "RuntimeError: CUDA error: peer access is not supported between these two devices"),
    ("inodes_gone", 1, "mkfs: No free inodes on /data"),
    ("watches_gone", 1, "OSError: [Errno 28] inotify watch limit reached"),
    ("disk_full", 1, "OSError: [Errno 28] No space left on device: '/data/ckpt.pt'"),
    ("disk_full", 1, "RuntimeError: [enforce fail at inline_container.cc:603] . PytorchStreamWriter failed writing file"),
    ("quota", 1, "OSError: [Errno 122] Disk quota exceeded"),
    ("read_only", 1, "OSError: [Errno 30] Read-only file system: '/opt/out'"),
    ("io_error", 1, "OSError: [Errno 5] Input/output error"),
    ("io_error", 1, "OSError: [Errno 116] Stale file handle: '/mnt/nfs/a'"),
    ("files_limit", 1, "OSError: [Errno 24] Too many open files: 'a.jpg'"),
    ("processes_limit", 1, "RuntimeError: can't start new thread"),
    ("processes_limit", 1, "bash: fork: retry: Resource temporarily unavailable"),
    ("wrong_architecture", 126, "sh: ./train: Exec format error"),
    ("wrong_architecture", 1, '{"msg":"exec container process `/x`: Exec format error","level":"error"}'),
    ("command_missing", 127, "[FATAL tini (7)] exec /nope/train failed: No such file or directory"),
    ("command_missing", 1, "ERROR (catatonit:6): failed to exec pid1: No such file or directory"),
    ("not_executable", 126, "[FATAL tini (7)] exec /x failed: Permission denied"),
    ("not_executable", 1, "ERROR (catatonit:6): failed to exec pid1: Permission denied"),
    ("interpreter_missing", 1, "exec /x: no such file or directory"),
    ("interpreter_missing", 1, ('{"msg":"exec container process (missing dynamic library?) `/x`: No such file or'
                               ' directory","level":"error"}')),
    ("interpreter_missing", 126, "bash: ./train.sh: /usr/bin/bsh: bad interpreter: No such file or directory"),
    ("interpreter_missing", 127, "bash: line 1: /x: cannot execute: required file not found"),
    ("script_syntax", 2, '/x: line 2: syntax error: unexpected word (expecting ")")'),
    ("script_syntax", 2, '/work/train.sh: 14: Syntax error: "(" unexpected'),
    ("not_executable", 126, "sh: 1: ./train.sh: Permission denied"),
    ("command_missing", 127, "mlops-desk: pyton: not found in the image"),
    ("command_missing", 127, ""),
    ("library_missing", 1, "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"),
    ("library_missing", 1, "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by ./train)"),
    ("module_missing", 1, _TRACE + "ModuleNotFoundError: No module named 'flash_attn.ops'"),
    ("module_missing", 1, "/usr/bin/python3: No module named pip"),
    ("import_failed", 1, "ImportError: cannot import name 'AdamW' from 'transformers'"),
    ("syntax_error", 1, '  File "train.py", line 3\n    if x\n       ^\nSyntaxError: expected \':\''),
    ("usage_error", 2, "train.py: error: unrecognized arguments: --lrr 0.1"),
    ("input_wanted", 1, _TRACE + "EOFError: EOF when reading a line"),
    ("script_missing", 2, "python: can't open file '/work/trian.py': [Errno 2] No such file or directory"),
    ("file_missing", 1, _TRACE + "FileNotFoundError: [Errno 2] No such file or directory: '/data/train.csv'"),
    ("data_missing", 1, "FileNotFoundError: Found no valid file for the classes cat. Supported extensions are: .jpg"),
    ("data_missing", 1, "ValueError: num_samples should be a positive integer value, but got num_samples=0"),
    ("permission_denied", 1, _TRACE + "PermissionError: [Errno 13] Permission denied: '/data/out'"),
    ("port_in_use", 1, "RuntimeError: The server socket has failed to listen on any local network address. EADDRINUSE"),
    ("port_in_use", 1, "OSError: [Errno 98] Address already in use"),
    ("name_unknown", 1, ("requests.exceptions.ConnectionError: Failed to resolve 'data.example' ([Errno -2] Name or service"
                        " not known)")),
    ("proxy_failed", 1, "requests.exceptions.ProxyError: HTTPSConnectionPool: Max retries exceeded with url: /"),
    ("proxy_failed", 56, "curl: (56) CONNECT tunnel failed, response 407"),
    ("proxy_failed", 128, "fatal: unable to access: Received HTTP code 407 from proxy after CONNECT"),
    ("tls_failed", 1, "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    ("hub_gated", 1, "huggingface_hub.errors.GatedRepoError: 403 Client Error. Cannot access gated repo for url https://x"),
    ("rate_limited", 1, "huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: https://x"),
    ("access_denied", 1, "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://x"),
    ("access_denied", 1, "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error."),
    ("login_missing", 1, "wandb: ERROR api_key not configured (no-tty). call wandb.login(key=[your_api_key])"),
    ("licence_missing", 1, "Error: Failed to check out a license"),
    ("mlflow_refused", 1, "mlflow.exceptions.MlflowException: API request to endpoint failed with error code 400"),
    ("mlflow_refused", 1, "mlflow.exceptions.RestException: PERMISSION_DENIED: this token may not register"),
    ("mlflow_error", 1, "mlflow.exceptions.MlflowException: Invalid metric name: 'a:b'. Names may only contain"),
    ("download_broken", 1, "urllib3.exceptions.IncompleteRead: IncompleteRead(10 bytes read, 90 more expected)"),
    ("packages_missing", 1, "ERROR: No matching distribution found for torch==9.9"),
    ("network_failed", 1, "urllib3.exceptions.MaxRetryError: Max retries exceeded with url: /m (Caused by timeout)"),
    ("connection_reset", 1, _TRACE + "ConnectionResetError: [Errno 104] Connection reset by peer"),
    ("checkpoint_damaged", 1, "_pickle.UnpicklingError: invalid load key, 'v'."),
    ("checkpoint_mismatch", 1, "RuntimeError: Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight"),
    ("shape_mismatch", 1, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 256x10)"),
    ("dtype_mismatch", 1, "RuntimeError: expected scalar type Half but found Float"),
    ("index_range", 1, _TRACE + "IndexError: Target 10 is out of bounds."),
    ("nan_loss", 1, "Loss is nan, stopping training"),
    ("nan_loss", 1, "Epoch 2 | step 4100 | loss nan | lr 3.0e-04"),
    ("assertion", 1, _TRACE + "AssertionError: batch size 30 != 32"),
    ("division_by_zero", 1, _TRACE + "ZeroDivisionError: division by zero"),
    ("interrupted", 130, _TRACE + "KeyboardInterrupt"),
    ("nccl_timeout", 1, "[rank0]:[E ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout:"),
    ("nccl_connection", 1, "NCCL WARN socketProgress: Connection closed by remote peer node<55>"),
    ("nccl_failed", 1, "torch.distributed.DistBackendError: NCCL error in: x.cpp:1, unhandled system error, NCCL 2.18"),
    ("rendezvous_failed", 1, "torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2"),
    ("loader_worker_killed", 1, "RuntimeError: DataLoader worker (pid(s) 88, 89) exited unexpectedly"),
    ("child_failed", 1, "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "),
    ("segfault", 139, ""),
    ("segfault", 1, "Fatal Python error: Segmentation fault"),
    ("aborted", 134, "double free or corruption (!prev)"),
    ("illegal_instruction", 132, ""),
    ("bus_error", 135, "Bus error"),
    ("killed", 137, "step 3"),
    ("terminated", 143, ""),
    ("hung_up", 124, ""),
    ("cpu_limit", 152, "CPU time limit exceeded"),
    ("exit_nonzero", 3, "ValueError: x"),
    ("exit_nonzero", 1, _TRACE + "KeyError: 'warmup_steps'"),
]  # fmt: skip


@pytest.mark.parametrize(("class_", "code", "log"), LOGS)
def test_a_cause_is_known_by_what_a_program_says(class_, code, log):
    reason = why(EndFacts(code, log.split("\n")))
    assert reason.class_ == class_
    assert class_ == "exit_nonzero" or reason.hint


@pytest.mark.parametrize(
    ("class_", "gpus"),
    [
        ("gpu_lost", GpuFacts(lost=("GPU-1",))),
        ("gpu_access_lost", GpuFacts(closed=("GPU-1",))),
        ("gpu_lost", GpuFacts(xids=(XidSeen(79, "GPU-1", 4.0),))),
        ("gpu_ecc", GpuFacts(xids=(XidSeen(45, "GPU-1", 4.0), XidSeen(48, "GPU-1", 4.0)))),
        ("gpu_xid", GpuFacts(xids=(XidSeen(119, "GPU-1", 300.0),))),
        ("gpu_fault", GpuFacts(xids=(XidSeen(31, "GPU-1", 4.0),))),
        ("exit_nonzero", GpuFacts(xids=(XidSeen(119, "GPU-1", 301.0),))),
        ("exit_nonzero", GpuFacts(xids=(XidSeen(45, "GPU-1", 1.0), XidSeen(63, "GPU-1", 1.0)))),
        ("exit_nonzero", GpuFacts(xids=(XidSeen(99999, "GPU-1", 1.0),))),
    ],
)
def test_what_the_driver_said_of_its_gpus_counts_near_the_end_only(class_, gpus):
    assert why(EndFacts(1, ("step 3",), gpus=gpus)).class_ == class_


def test_a_fault_of_the_gpu_is_the_root_of_what_the_program_then_says():
    log = (
        "RuntimeError: CUDA error: unspecified launch failure",
        "torch.distributed.DistBackendError: NCCL error in: x",
    )
    gone = why(EndFacts(1, log, gpus=GpuFacts(xids=(XidSeen(79, "GPU-1", 2.0),))))
    assert (gone.class_, "XID 79 on GPU-1, 2 s before" in gone.evidence) == ("gpu_lost", True)
    misused = why(EndFacts(1, log, gpus=GpuFacts(xids=(XidSeen(31, "GPU-1", 2.0),))))
    assert misused.class_ == "cuda_launch_failed"


def test_there_are_at_least_forty_causes_with_words_of_their_own():
    words = [cause.class_ for cause in CAUSES]
    assert len(words) == len(set(words)) >= 60
    assert all(cause.text.endswith((".", "{path}")) and cause.hint for cause in CAUSES)
    shown = {class_ for class_, *_ in LOGS} | {"gpu_fault", "oom_machine"}  # these two no log shows
    assert shown - {"exit_nonzero"} == set(words)


def test_each_cause_has_a_title_for_people():
    assert [cause.class_ for cause in CAUSES if not 0 < len(cause.title) <= _TITLE_LIMIT] == []
    assert [cause.title for cause in CAUSES if "_" in cause.title or cause.title.endswith(".")] == []


def test_the_title_goes_with_the_reason_and_names_what_was_found():
    missing = why(EndFacts(1, ("ModuleNotFoundError: No module named 'flash_attn'",)))
    assert missing.title == "Python module flash_attn missing"
    assert missing.told == f"{missing.title}: {missing.text}"
    assert why(EndFacts(1, ("torch.OutOfMemoryError: CUDA out of memory",))).title == "GPU memory ran out"
    assert why(EndFacts(3, ("bye",))).title == "Exit code 3"


def test_a_child_that_the_kernel_killed_is_told_from_the_command_itself():
    child = why(EndFacts(1, ("RuntimeError: DataLoader worker (pid(s) 88) exited unexpectedly",), oom_killed=True))
    whole = why(EndFacts(137, (), oom_killed=True, memory_limit_bytes=8 << 30))
    assert child.class_ == whole.class_ == "oom_kernel"
    assert "one of the job's processes" in child.evidence
    assert "one of the job's processes" not in whole.evidence
    assert "8.0 GiB" in whole.evidence


def test_a_missing_file_is_placed_among_the_mounts():
    line = "FileNotFoundError: [Errno 2] No such file or directory: '/data/a/train.csv'"
    mounts = (("/home/ann/set", "/data"),)
    inside = why(EndFacts(1, (line,), mounts=mounts))
    assert inside.text == "The program did not find /data/a/train.csv."
    assert "/home/ann/set" in inside.hint
    outside = why(EndFacts(1, (line.replace("/data/", "/dataset/"),), mounts=mounts))
    assert "no mount of the job (mounts: /data)" in outside.hint
    assert why(EndFacts(1, ("FileNotFoundError: gone",), mounts=mounts)).text == "The program did not find a file."


def test_a_missing_module_names_what_to_install():
    reason = why(EndFacts(1, ("ModuleNotFoundError: No module named 'flash_attn.ops'",)))
    assert reason.text == "The Python module flash_attn.ops is not in the image."
    assert "pip install flash_attn)" in reason.hint


def test_an_exception_is_quoted_with_the_line_of_the_program_that_it_came_from():
    log = [
        "Traceback (most recent call last):",
        '  File "/work/train.py", line 12, in <module>',
        '  File "/usr/lib/python3.11/site-packages/torch/x.py", line 900, in y',
        "KeyError: 'warmup_steps'",
    ]
    assert why(EndFacts(1, log)).evidence == "KeyError: 'warmup_steps' (/work/train.py, line 12)"


def test_a_hint_with_a_command_keeps_it():
    assert why(EndFacts(1, ("RuntimeError: No CUDA GPUs are available",))).command == "mlops-desk doctor"
