using System.Text;
using System.Text.Json;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>
/// Which named upgrade scripts a project's data has been through (R8.6, R9.11; spec-0315's marker files): one small file each in <c>data/.paas/upgrades</c>. They are part
/// of the data on purpose: whatever brings the data back to an earlier state also brings back the knowledge that a script has not run on it.
/// </summary>
static class UpgradeMarks
{
    public static bool Has(Project project, string script) => Inode.Of(Path.Combine(project.Data, ".paas", "upgrades", script)) is not null;

    /// <summary>Written only after the script has ended well. The application owns its data and may have put a link where a directory should be: no link is followed.</summary>
    public static void Set(Project project, string script, Release release, ReleaseId deployment)
    {
        using var data = DirectoryHandle.Open(project.Data);
        using var ours = data.OpenOrCreateChild(".paas\0"u8);
        using var marks = ours.OpenOrCreateChild("upgrades\0"u8);
        var record = JsonSerializer.SerializeToUtf8Bytes(new { release = release.Number, commit = release.Commit, deployment = deployment.Value });
        using var mark = marks.CreateFile(Encoding.UTF8.GetBytes(script + "\0"), 0x1A4);
        mark.Write(record);
        mark.Flush();
        marks.Flush();
    }
}
