using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>Where deployments' logs are kept: <c>&lt;state&gt;/deployments/&lt;env&gt;/&lt;project&gt;/&lt;id&gt;.log</c>, 0600.</summary>
sealed class DeploymentLogs(string stateDirectory)
{
    public string PathOf(Project project, ReleaseId id) =>
        Path.Combine(DirectoryOf(project), id.Value + ".log");

    /// <summary>Removes all but the newest; an id sorts by its time.</summary>
    public void Prune(Project project, int keep)
    {
        var directory = DirectoryOf(project);
        foreach (var old in Directory.EnumerateFiles(directory, "*.log").OrderDescending(StringComparer.Ordinal).Skip(keep))
        {
            File.Delete(old);
        }
    }

    /// <summary>Of a project that is gone.</summary>
    public void Forget(Project project)
    {
        if (Directory.Exists(DirectoryOf(project)))
        {
            Directory.Delete(DirectoryOf(project), recursive: true);
        }
    }

    public LogStream Open(Project project, ReleaseId id)
    {
        var path = PathOf(project, id);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return LogStream.Open(path);
    }

    public string DirectoryOf(Project project) => Path.Combine(stateDirectory, "deployments", project.Environment.Name.Value, project.Name.Value);
}
