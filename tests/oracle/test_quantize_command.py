"""`lowp quantize` as a program: its report, what it refuses, and that no kill or full disk leaves half a file."""

import json
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import pytest
import safetensors.torch
import torch

COLUMNS = 512


def write_checkpoint(directory, shards=6, rows=512, dtype=torch.bfloat16, change=None):
    """`shards` files of one layer each, with a norm; random weights."""
    directory.mkdir()
    generator = torch.Generator().manual_seed(5)
    weight_map = {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        prefix = f"model.layers.{i}."
        tensors = {
            f"{prefix}{name}.weight": (torch.randn(rows, COLUMNS, generator=generator) * 0.02).to(dtype)
            for name in ("self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj")
        }
        tensors[prefix + "input_layernorm.weight"] = torch.ones(COLUMNS, dtype=dtype)
        if change:
            change(i, tensors)
        safetensors.torch.save_file(tensors, directory / file, {"format": "pt"})
        weight_map.update(dict.fromkeys(tensors, file))
    index = {"metadata": {}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    (directory / "config.json").write_text('{"model_type": "llama", "rope_theta": 10000.0, "name": "é"}')
    (directory / "tokenizer.json").write_text("{}")
    (directory / "generation_config.json").write_text("{}")
    (directory / "pytorch_model.bin").write_text("not to be copied")
    return directory


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("quantize") / "source")


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def read_tensors(directory):
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        tensors.update(safetensors.torch.load_file(path))
    return tensors


def test_the_output_is_a_whole_model(run_lowp, source, tmp_path):
    output = tmp_path / "q"
    run_lowp("quantize", source, "-o", output, "--scheme", "W8A8", "-q")
    names = set(files_of(output))
    shards = {path.name for path in source.glob("*.safetensors")}
    texts = {"config.json", "tokenizer.json", "generation_config.json", "recipe.yaml"}
    assert names == shards | texts | {"model.safetensors.index.json"}
    index = json.loads((output / "model.safetensors.index.json").read_text())
    for path in output.glob("*.safetensors"):
        with safetensors.safe_open(path, "pt") as file:
            for key in file.keys():
                assert index["weight_map"][key] == path.name
    tensors = read_tensors(output)
    assert index["weight_map"].keys() == tensors.keys()
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors.values())
    config = json.loads((output / "config.json").read_text())
    assert config["rope_theta"] == 10000.0 and config["name"] == "é"
    assert torch.equal(tensors["model.layers.0.input_layernorm.weight"], torch.ones(COLUMNS).bfloat16())


@pytest.mark.parametrize("scheme", ["W8A16", "W4A16_ASYM", "FP8", "FP8_BLOCK", "MXFP4", "NVFP4"])
def test_threads_do_not_change_a_byte(run_lowp, source, tmp_path, scheme):
    outputs, reports = [], []
    for threads in (1, 2, 5):
        output = tmp_path / str(threads)
        result = run_lowp("quantize", source, "-o", output, "--scheme", scheme, "--threads", threads, "-q",
                          "--json")
        outputs.append(files_of(output))
        report = json.loads(result.stdout)
        for row in report["layers"]:
            del row["seconds"]
        reports.append(report["layers"])
    assert outputs[0] == outputs[1] == outputs[2]
    assert reports[0] == reports[1] == reports[2]


def test_report_says_what_happened(run_lowp, source, tmp_path):
    result = run_lowp("quantize", source, "-o", tmp_path / "q", "--scheme", "W4A16", "--group-size", "64",
                      "--ignore", "model.layers.1.mlp.down_proj", "--report", tmp_path / "r", "--json", "-q")
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report == json.loads(result.stdout)
    run_lowp("dequantize", tmp_path / "q", "-o", tmp_path / "d", "-q", "--dtype", "f32")
    before, after = read_tensors(source), read_tensors(tmp_path / "d")
    assert report["quantized_layers"] == 17
    rows = {row["name"]: row for row in report["layers"]}
    assert rows.keys() == before.keys()
    assert rows["model.layers.1.mlp.down_proj.weight"]["reason"] == "ignored"
    assert rows["model.layers.1.input_layernorm.weight"]["scheme"] is None
    for name, row in rows.items():
        x = before[name].double()
        assert row["shape"] == list(x.shape)
        if row["scheme"] is None:
            assert row["bytes_before"] == row["bytes_after"]
            continue
        error = x - after[name].double()
        assert row["sqnr_db"] == pytest.approx(20 * math.log10(x.norm() / error.norm()), abs=1e-6)
        assert row["relative_error"] == pytest.approx((error.norm() / x.norm()).item(), rel=1e-6)
        assert row["max_error"] == pytest.approx(error.abs().max().item(), rel=1e-6)
        assert row["zero_share"] == ((x != 0) & (after[name] == 0)).double().mean().item()
        # The largest of each group is 7.5 steps; what is above 7 is clipped: positive maxima.
        assert 0 < row["clipped_share"] < 0.02
        assert row["non_finite"] == 0
        assert row["scheme"] == "W4A16" and row["group_size"] == 64
        # Codes, bf16 scales, and the 16 bytes of weight_shape.
        assert row["bits_per_weight"] == pytest.approx(4 + 16 / 64 + 128 / x.numel(), rel=1e-9)


def test_dry_run_writes_nothing(run_lowp, source, tmp_path):
    result = run_lowp("quantize", source, "--scheme", "NVFP4", "--dry-run")
    assert "model.layers.5.mlp.down_proj.weight" in result.stdout and "NVFP4" in result.stdout
    result = run_lowp("quantize", source, "-o", tmp_path / "q", "--scheme", "NVFP4", "--dry-run", "--json")
    plan = json.loads(result.stdout)
    assert not (tmp_path / "q").exists()
    done = run_lowp("quantize", source, "-o", tmp_path / "q", "--scheme", "NVFP4", "--json", "-q")
    assert plan["bytes_after"] == json.loads(done.stdout)["bytes_after"]


def refused(run_lowp, *arguments, output=None, code=1):
    result = run_lowp("quantize", *arguments, check=False)
    assert result.returncode == code, result.stderr
    assert output is None or not output.exists()
    return result.stderr


def test_bad_requests_are_refused(run_lowp, source, tmp_path):
    output = tmp_path / "q"

    def refuse(*arguments, code=1):
        return refused(run_lowp, source, "-o", output, *arguments, output=output, code=code)

    error = refuse("--scheme", "W4A61")
    assert "W4A61" in error and "did you mean 'W4A16'" in error and "FP8_DYNAMIC" in error
    error = refuse("--scheme", "W4A16_FLOAT_ZERO")
    assert "in memory only" in error and "W4A16_ASYM" in error
    error = refuse("--scheme", "W4A16", "--group-size", "96")
    assert "18 layers" in error and "groups that fit: 256, 128, 64, 32, 16" in error
    assert "model.layers.0.mlp.down_proj" in error
    assert "no group size" in refuse("--scheme", "W8A8", "--group-size", "64")
    assert "even" in refuse("--scheme", "W4A16", "--group-size", "63")
    assert "nothing to quantize" in refuse("--scheme", "W8A8", "--ignore", "re:.*")
    assert "not a regular expression" in refuse("--scheme", "W8A8", "--ignore", "re:(")
    assert "EXPRESSION=SCHEME" in refuse("--scheme", "W8A8", "--tensor-scheme", "x")
    assert "unknown scheme" in refuse("--scheme", "W8A8", "--tensor-scheme", "x=y")
    refuse("--scheme", "W8A8", "--no-such-option", code=2)
    refuse(code=2)
    assert "--output" in refused(run_lowp, source, "--scheme", "W8A8", code=2)
    assert "is the source" in refused(run_lowp, source, "-o", source, "--scheme", "W8A8", "--force")
    warning = run_lowp("quantize", source, "--scheme", "W8A8", "--ignore", "lm_heat", "--dry-run").stderr
    assert "'lm_heat' matches no linear layer" in warning


def test_bad_sources_are_refused(run_lowp, source, tmp_path):
    output = tmp_path / "q"

    def refuse(directory):
        return refused(run_lowp, directory, "-o", output, "--scheme", "W8A8", output=output)

    assert "not a directory" in refuse(tmp_path / "absent")
    shard = "model-00003-of-00006.safetensors"
    missing = shutil.copytree(source, tmp_path / "missing")
    (missing / shard).unlink()
    assert f"shard '{shard}' is missing" in refuse(missing)
    cut = shutil.copytree(source, tmp_path / "cut")
    os.truncate(cut / shard, 100_000)
    assert shard in refuse(cut)
    no_config = shutil.copytree(source, tmp_path / "no_config")
    (no_config / "config.json").unlink()
    assert "config.json" in refuse(no_config)

    def to_int8(i, tensors):
        tensors["model.layers.0.mlp.down_proj.weight"] = torch.zeros(8, 8, dtype=torch.int8)

    assert "dtype is I8" in refuse(write_checkpoint(tmp_path / "int8", shards=1, change=to_int8))


def test_a_quantized_model_is_not_quantized_again(run_lowp, source, tmp_path):
    run_lowp("quantize", source, "-o", tmp_path / "q", "--scheme", "W8A8", "-q")
    error = refused(run_lowp, tmp_path / "q", "-o", tmp_path / "r", "--scheme", "W4A16", output=tmp_path / "r")
    assert "quantized already" in error and "compressed-tensors" in error


def test_an_output_is_not_overwritten_by_chance(run_lowp, source, tmp_path):
    output = tmp_path / "q"
    output.mkdir()
    (output / "notes.txt").write_text("keep")
    error = refused(run_lowp, source, "-o", output, "--scheme", "W8A8")
    assert "not empty" in error and "--force" in error
    run_lowp("quantize", source, "-o", output, "--scheme", "W8A8", "-q", "--force")
    run_lowp("quantize", source, "-o", output, "--scheme", "W4A16", "-q", "--force")
    assert (output / "notes.txt").read_text() == "keep"
    run_lowp("quantize", source, "-o", tmp_path / "other", "--scheme", "W4A16", "-q")
    files = files_of(output)
    del files["notes.txt"]
    assert files == files_of(tmp_path / "other")
    error = refused(run_lowp, source, "-o", "/proc/lowp", "--scheme", "W8A8")
    assert "/proc/lowp" in error


@pytest.mark.parametrize("scheme", ["W8A8", "W4A16_ASYM", "FP8", "FP8_BLOCK", "MXFP8", "NVFP4"])
def test_nan_and_inf_are_counted(run_lowp, tmp_path, scheme):
    def spoil(i, tensors):
        tensors["model.layers.0.self_attn.q_proj.weight"][3, 5:8] = math.nan
        tensors["model.layers.0.self_attn.q_proj.weight"][300, 7] = math.inf

    source = write_checkpoint(tmp_path / "s", shards=2, change=lambda i, t: spoil(i, t) if i == 0 else None)
    result = run_lowp("quantize", source, "-o", tmp_path / "q", "--scheme", scheme, "--json", "-q")
    report = json.loads(result.stdout)
    rows = {row["name"]: row for row in report["layers"]}
    assert report["non_finite"] == 4
    assert rows["model.layers.0.self_attn.q_proj.weight"]["non_finite"] == 4
    assert rows["model.layers.1.self_attn.q_proj.weight"]["non_finite"] == 0
    assert "model.layers.0.self_attn.q_proj.weight: 4 NaN or Inf" in result.stderr
    run_lowp("dequantize", tmp_path / "q", "-o", tmp_path / "d", "-q")
    after = read_tensors(tmp_path / "d")
    for name, row in rows.items():
        bad = (~after[name].isfinite()).sum().item()
        assert (bad == 0) == ("layers.1" in name or "norm" in name or (row["non_finite_after"] or 0) + (row["non_finite"] or 0) == 0), name


def limit_files(size):
    def set_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return set_limit


def test_full_disk_leaves_nothing_half_written(lowp_command, run_lowp, tmp_path):
    """A file limit stands for the disk: the third shard does not fit, the others do."""
    def enlarge(i, tensors):
        if i == 2:
            name = "model.layers.2.mlp.down_proj.weight"
            tensors[name] = torch.ones(4096, COLUMNS, dtype=torch.bfloat16)

    source = write_checkpoint(tmp_path / "s", change=enlarge)
    output = tmp_path / "q"
    command = [lowp_command, "quantize", source, "-o", output, "--scheme", "W8A8", "-q"]
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_files(1 << 20))
    assert result.returncode == 1
    assert "File too large" in result.stderr and "00003" in result.stderr
    left = set(files_of(output))
    assert not any("partial" in name for name in left)
    assert "config.json" not in left and "model-00003-of-00006.safetensors" not in left
    run_lowp("quantize", source, "-o", tmp_path / "whole", "--scheme", "W8A8", "-q")
    run_lowp("quantize", source, "-o", output, "--scheme", "W8A8", "-q", "--resume")
    assert files_of(output) == files_of(tmp_path / "whole")


def test_small_disk_is_refused_before_work(run_lowp, source, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small file system here")
    try:
        error = refused(run_lowp, source, "-o", disk / "q", "--scheme", "W8A8")
        assert "disk is too full" in error
    finally:
        subprocess.run(["umount", disk], check=True)


def test_kills_leave_whole_files_and_resume_gives_the_same_bytes(lowp_command, run_lowp, tmp_path):
    """SIGKILL at 20 random moments of the run; each time the next one goes on."""
    source = write_checkpoint(tmp_path / "s", shards=8, rows=1536)
    whole = tmp_path / "whole"
    begin = time.monotonic()
    run_lowp("quantize", source, "-o", whole, "--scheme", "NVFP4", "-q")
    duration = time.monotonic() - begin
    expected = files_of(whole)
    chance = random.Random(3)
    kills = 0
    directory = 0
    reused = 0
    while kills < 20:
        directory += 1
        output = tmp_path / str(directory)
        while True:
            command = [lowp_command, "quantize", source, "-o", output, "--scheme", "NVFP4", "--resume", "--json"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(chance.uniform(0, duration * 0.6))
            process.send_signal(signal.SIGKILL)
            stdout, stderr = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), stderr
            if process.returncode == 0:
                if stdout:
                    reused += json.loads(stdout)["reused_shards"]
                break
            kills += 1
            for name, data in (files_of(output) if output.exists() else {}).items():
                if not name.startswith("."):
                    assert data == expected[name], f"{name} after kill {kills}"
            if (output / "config.json").exists():
                assert expected.keys() <= files_of(output).keys()
        assert files_of(output) == expected
    assert reused > 0


def test_resume_checks_what_it_finds(lowp_command, run_lowp, source, tmp_path):
    output = tmp_path / "q"
    progress = output / ".lowp-quantize.json"
    run_lowp("quantize", source, "-o", output, "--scheme", "W8A8", "-q", "--resume")  # nothing there yet
    whole = files_of(output)
    run_lowp("quantize", source, "-o", output, "--scheme", "W8A8", "-q", "--resume")  # complete
    assert files_of(output) == whole
    assert "cannot be resumed" in refused(run_lowp, source, "-o", output, "--scheme", "W4A16", "--resume")

    command = [lowp_command, "quantize", source, "-o", tmp_path / "cut", "--scheme", "W8A8", "-q"]
    subprocess.run(command, preexec_fn=limit_files(10_000), capture_output=True)
    cut = tmp_path / "cut" / ".lowp-quantize.json"
    assert cut.exists()
    assert "another recipe or source" in refused(
        run_lowp, source, "-o", tmp_path / "cut", "--scheme", "FP8", "--resume")
    cut.write_text("{")
    assert "damaged" in refused(run_lowp, source, "-o", tmp_path / "cut", "--scheme", "W8A8", "--resume")
    assert not progress.exists()


def test_torch_is_not_loaded(run_lowp, source):
    for arguments in (["--version"], ["quantize", source, "--scheme", "W8A8", "--dry-run"]):
        loaded = run_lowp(*arguments, env={"LD_DEBUG": "libs"}).stderr
        assert "libc.so" in loaded and "libtorch" not in loaded and "libc10" not in loaded
