using System.Diagnostics;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Xunit;
using Environment = Paas.Receiver.Projects.Environment;

namespace Paas.Receiver.Tests.Releases;

public sealed class DraftTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("paas-draft-").FullName;

    [Fact]
    public void What_a_build_wrote_deleted_and_replaced_on_its_overlay_is_in_the_draft_afterwards()
    {
        if (!OnOverlay("true"))
        {
            Console.WriteLine("skipped: this kernel or user may not mount an overlay");
            return;
        }

        var draft = NewDraft();
        Write(draft, "kept.txt", "kept");
        Write(draft, "changed.txt", "old");
        Write(draft, "deleted.txt", "gone");
        Write(draft, "emptied/inside.txt", "gone");
        Write(draft, "becomes-file/inside.txt", "gone");
        Write(draft, "becomes-directory", "gone");
        Write(draft, "nested/deep/kept.txt", "kept");
        Write(draft, "nested/deep/deleted.txt", "gone");

        Assert.True(OnOverlay(
            """
            echo new > changed.txt; rm deleted.txt; rm -r emptied; mkdir emptied; echo fresh > emptied/fresh.txt
            rm -r becomes-file; echo file > becomes-file; rm becomes-directory; mkdir becomes-directory; echo x > becomes-directory/x
            rm nested/deep/deleted.txt; mkdir -p made/by/build; echo built > made/by/build/out; ln -s ../kept.txt made/link; chmod 755 kept.txt
            """,
            draft.Directory));
        draft.Absorb(Path.Combine(draft.Scratch, "upper"));

        Assert.Equal(
            [
                "becomes-directory/x=x", "becomes-file=file", "changed.txt=new", "emptied/fresh.txt=fresh", "kept.txt=kept", "made/by/build/out=built",
                "made/link→../kept.txt", "nested/deep/kept.txt=kept",
            ],
            Contents(draft.Directory));
        Assert.True(File.GetUnixFileMode(Path.Combine(draft.Directory, "kept.txt")).HasFlag(UnixFileMode.UserExecute));
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    Draft NewDraft()
    {
        var environment = new Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true);
        var draft = new Draft(new Project(environment, ProjectName.Parse("shop")), ReleaseId.New(TimeProvider.System), new string('a', 40));
        Directory.CreateDirectory(draft.Directory);
        foreach (var name in (string[])["upper", "work", "merged"])
        {
            Directory.CreateDirectory(Path.Combine(draft.Scratch, name));
        }

        return draft;
    }

    static void Write(Draft draft, string path, string content)
    {
        var file = Path.Combine(draft.Directory, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }

    bool OnOverlay(string script, string? lower = null)
    {
        lower ??= Directory.CreateDirectory(Path.Combine(root, "lower")).FullName;
        var scratch = lower + ".work";
        foreach (var name in (string[])["upper", "work", "merged"])
        {
            Directory.CreateDirectory(Path.Combine(scratch, name));
        }

        var start = new ProcessStartInfo("unshare") { RedirectStandardError = true, UseShellExecute = false };
        foreach (var argument in (string[])[
            "--mount", "sh", "-ec",
            $"mount -t overlay overlay -o lowerdir=\"$0\",upperdir=\"$1\"/upper,workdir=\"$1\"/work,redirect_dir=off,metacopy=off,index=off \"$1\"/merged; cd \"$1\"/merged; {script}",
            lower, scratch])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    static List<string> Contents(string directory) =>
        [.. new DirectoryInfo(directory).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(entry => entry is FileInfo || entry.LinkTarget is not null)
            .Select(entry => entry.LinkTarget is { } target
                ? $"{Path.GetRelativePath(directory, entry.FullName)}→{target}"
                : $"{Path.GetRelativePath(directory, entry.FullName)}={File.ReadAllText(entry.FullName).Trim()}")
            .Order(StringComparer.Ordinal)];
}
