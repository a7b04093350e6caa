using System.Text.Json.Nodes;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;

namespace Paas.Receiver.BackingServices;

/// <summary>A directory that survives releases: below the project's data, so that it is backed up and brought back with them.</summary>
sealed class FilesystemService : IBackingService
{
    public string Name => Plugins.FilesystemService;

    public JsonObject Provide(Project project, Plugin use, string generated)
    {
        var above = Path.Combine(project.Data, "services");
        var directory = Path.Combine(above, generated);
        if (Inode.Of(above) is { IsDirectory: false } || Inode.Of(directory) is { IsDirectory: false })
        {
            throw new Refusal($"{Path.GetRelativePath(project.Directory, directory)} should be the directory of the service {use.Label} and is something else");
        }

        if (!Directory.Exists(directory))
        {
            Directory.CreateDirectory(directory);
            if (Ownership.Of(project.Data) is { } owner)
            {
                Ownership.GiveDirectory(above, owner);
                Ownership.GiveDirectory(directory, owner);
            }
        }

        return new JsonObject { ["protocol"] = "directory", ["directory"] = directory };
    }
}
