using System.Diagnostics;
using System.Globalization;
using Paas.Receiver.Projects;
using Xunit;
using Xunit.Abstractions;

namespace Paas.Receiver.Archives;

/// <summary>Figures, not verdicts: run with <c>PAAS_BENCH=1</c> and a Release build, and read them. Each stands beside its reference from the same run.</summary>
public sealed class ArchivesBench(ITestOutputHelper output) : IDisposable
{
    const int Rounds = 3;

    readonly Scratch scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task Backup_and_restore_of_ten_thousand_files_of_which_ten_changed()
    {
        if (NotAsked())
        {
            return;
        }

        scratch.Sh("""
            cd data; for d in {1..100}; do mkdir -p d$((d % 10))/e$d; for f in {1..100}; do echo; done | split -l1 -a3 - d$((d % 10))/e$d/f; done
            find . -type f | python3 -c "
            import sys, os, random
            r = random.Random(1)
            for n in sys.stdin.read().split(): open(n, 'wb').write(r.randbytes(r.randint(100, 16000)))"
            """);
        var archivist = new Archivist(TimeProvider.System);
        var first = await Take(archivist);
        output.WriteLine($"first backup: {first.Files} files, {first.Bytes >> 20} MB, {first.Took.TotalMilliseconds:F0} ms, {first.How}");
        scratch.Sh("rsync -a data/ rsync.0/; mkdir empty");
        var (ours, theirs, oursBack, theirsBack) = (new List<Cost>(), new List<Cost>(), new List<Cost>(), new List<Cost>());
        for (var round = 1; round <= Rounds; round++)
        {
            scratch.Sh($"find data -type f | shuf -n 10 --random-source=<(yes {round}) | while read f; do echo changed >> $f; done; sync");
            var id = NewId();
            ours.Add(await Timed(() => archivist.TakeAsync(scratch.Project, id, default)));
            theirs.Add(await Timed(() => scratch.Run("rsync", "-a", $"--link-dest={scratch.Root}/rsync.{round - 1}", "data/", $"rsync.{round}")));

            const string Spoil = "find data -type f | shuf -n 10 --random-source=<(yes {0}) | while read f; do echo spoilt >> $f; done; sync";
            scratch.Sh(string.Format(CultureInfo.InvariantCulture, Spoil, round + 100));
            oursBack.Add(await Timed(() => archivist.RestoreAsync(scratch.Project, id, NewId())));
            scratch.Sh(string.Format(CultureInfo.InvariantCulture, Spoil, round + 200));
            theirsBack.Add(await Timed(() => scratch.Run("rsync", "-a", "--delete", $"rsync.{round}/", "data")));
            Assert.Equal("", scratch.Difference($"rsync.{round}", scratch.Data));
            Assert.Equal("", scratch.Difference(scratch.Archive(id), scratch.Data));
        }

        Print("backup ", ours, theirs, "rsync -a --link-dest");
        Print("restore", oursBack, theirsBack, "rsync -a --delete");
        scratch.Sh("rm -rf data; mkdir data");
        var empty = new List<Cost>();
        for (var round = 0; round < Rounds; round++)
        {
            empty.Add(await Timed(() => Take(archivist)));
        }

        output.WriteLine($"backup of nothing: {Median(empty).Ms:F2} ms");
    }

    [Fact]
    public async Task Packing_eleven_thousand_files_of_370_MB()
    {
        if (NotAsked())
        {
            return;
        }

        // Real files of an installed system, source and binaries mixed, as a dependency tree has them.
        scratch.Sh("""
            mkdir tree; python3 - <<'E'
            import os, shutil
            files = []
            for top in ('/usr/lib/python3', '/usr/lib/python3.11', '/usr/share/nodejs', '/usr/lib/node_modules', '/usr/include', '/usr/lib/dotnet', '/usr/share/dotnet', '/usr/lib/x86_64-linux-gnu'):
                for d, _, names in os.walk(top):
                    files += [p for p in (os.path.join(d, n) for n in names) if os.path.isfile(p) and not os.path.islink(p)]
            small = sorted((p for p in files if os.path.getsize(p) < 40000), key=hash)[:10000] or files
            large = [p for p in files if os.path.getsize(p) >= 40000]
            total = n = 0
            for p in small + large * 9:
                if total > 370e6 and n >= 11000: break
                if n >= 11000 and os.path.getsize(p) < 40000: continue
                to = 'tree/%d/%s' % (n % 300, str(n) + os.path.basename(p)); os.makedirs(os.path.dirname(to), exist_ok=True)
                shutil.copyfile(p, to); total += os.path.getsize(p); n += 1
            E
            """);
        output.WriteLine(scratch.Sh("echo $(find tree -type f | wc -l) files, $(du -s --apparent-size -m tree | cut -f1) MB"));
        var bundler = new Bundler();
        var (ours, theirs, digest, unpack, theirUnpack) = (new List<Cost>(), new List<Cost>(), new List<Cost>(), new List<Cost>(), new List<Cost>());
        scratch.Sh("sync");
        Bundle? bundle = null;
        for (var round = 0; round < Rounds; round++)
        {
            theirs.Add(await Timed(() => scratch.Run("sh", "-c", "tar -cf - tree | zstd -q -T0 -3 > theirs.tar.zst")));
            scratch.Sh("sync; rm -f ours.tar.zst");
            ours.Add(await Timed(async () => bundle = await bundler.PackAsync(scratch.Root + "/tree", scratch.Root + "/ours.tar.zst", DateTimeOffset.UnixEpoch, default)));
            digest.Add(await Timed(() => bundler.DigestAsync(scratch.Root + "/tree", default)));
            for (var turn = round; turn < round + 2; turn++)
            {
                scratch.Sh("rm -rf out theirs; mkdir theirs; sync");
                if (turn % 2 == 0)
                {
                    unpack.Add(await Timed(() => bundler.UnpackAsync(bundle!.File, scratch.Root + "/out", bundle.ArchiveDigest, default)));
                }
                else
                {
                    theirUnpack.Add(await Timed(() => scratch.Run("sh", "-c", "zstd -q -dc theirs.tar.zst | tar -xf - -C theirs")));
                }
            }
        }

        output.WriteLine(scratch.Sh("echo archives: $(stat -c %s ours.tar.zst theirs.tar.zst)"));
        Print("pack   ", ours, theirs, "tar | zstd -T0 -3");
        Print("unpack ", unpack, theirUnpack, "zstd -dc | tar x");
        output.WriteLine($"digest: {Shown(digest)}");
    }

    bool NotAsked()
    {
        var asked = System.Environment.GetEnvironmentVariable("PAAS_BENCH") == "1";
        if (!asked)
        {
            output.WriteLine("a benchmark: set PAAS_BENCH=1 to run it");
        }

        return !asked;
    }

    static async Task<Cost> Timed(Func<Task> work)
    {
        var cpu = Cpu();
        var watch = Stopwatch.StartNew();
        await work();
        return new Cost(watch.Elapsed.TotalMilliseconds, Cpu() - cpu);
    }

    // Of this process and the children it has waited for, in ms; on a busy machine it says more than the clock.
    static double Cpu()
    {
        var fields = File.ReadAllText("/proc/self/stat").Split(") ")[1].Split(' ');
        return fields[11..15].Sum(f => double.Parse(f, CultureInfo.InvariantCulture)) * 10;
    }

    static Cost Median(List<Cost> values) => new(values.Select(v => v.Ms).Order().ElementAt(values.Count / 2), values.Select(v => v.Cpu).Order().ElementAt(values.Count / 2));

    readonly record struct Cost(double Ms, double Cpu);

    void Print(string what, List<Cost> ours, List<Cost> theirs, string reference) =>
        output.WriteLine($"{what}: {Shown(ours)} against {Shown(theirs)} of {reference}: {Median(ours).Ms / Median(theirs).Ms:F2} × time, {Median(ours).Cpu / Median(theirs).Cpu:F2} × processor");

    static string Shown(List<Cost> costs) => $"{Median(costs).Ms:F0} ms ({costs.Min(c => c.Ms):F0}–{costs.Max(c => c.Ms):F0}, processor {Median(costs).Cpu:F0})";

    Task<BackupReport> Take(Archivist archivist) => archivist.TakeAsync(scratch.Project, NewId(), default);

    static ReleaseId NewId() => ReleaseId.New(TimeProvider.System);
}
