using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Releases;

/// <summary>
/// What a project's <c>run</c> shows on the host (R5.7): a link to the live release, or in editable mode the working copy itself, as a bind mount where that is allowed and as a link
/// where it is not. Nothing that lies in the way is ever wiped (A10): it is put aside.
/// </summary>
static class RunView
{
    const string LinkToLive = "deploy/current";

    /// <summary>Brings <c>run</c> to what it should show. Harmless twice; what a reboot took away comes back.</summary>
    public static void Show(Project project, bool editable)
    {
        if (editable)
        {
            ShowWorkingCopy(project);
        }
        else if (new FileInfo(project.Run).LinkTarget != LinkToLive)
        {
            Leave(project);
            AtomicFile.Link(project.Run, LinkToLive);
        }
    }

    /// <summary>How it shows the working copy, for people.</summary>
    public static string Describe(Project project) => BindMount.IsThere(project.Checkout, project.Run)
        ? $"{project.Run} is the working copy: what is edited there runs"
        : $"{project.Run} is a link to the working copy, for nothing may be mounted here: what is edited there runs";

    /// <summary>Nothing is mounted below the project any more, and nothing is at <c>run</c>.</summary>
    public static void Leave(Project project)
    {
        if (Inode.Of(project.Run) is not { IsDirectory: true })
        {
            File.Delete(project.Run);
            return;
        }

        // More than one may lie over another after a crash.
        for (var tries = 0; tries < 8 && Inode.Of(project.Run) is { IsMountPoint: true }; tries++)
        {
            BindMount.Remove(project.Run);
        }

        if (Directory.EnumerateFileSystemEntries(project.Run).Any())
        {
            AtomicFile.Rename(project.Run, Path.Combine(project.Archives, $"run.found-{Guid.NewGuid():N}"));
        }
        else
        {
            Directory.Delete(project.Run);
        }
    }

    static void ShowWorkingCopy(Project project)
    {
        if (BindMount.IsThere(project.Checkout, project.Run) || new FileInfo(project.Run).LinkTarget == "project")
        {
            return;
        }

        Leave(project);
        Directory.CreateDirectory(project.Run);
        if (BindMount.TryMake(project.Checkout, project.Run) is not null)
        {
            Directory.Delete(project.Run);
            AtomicFile.Link(project.Run, "project");
        }
    }
}
