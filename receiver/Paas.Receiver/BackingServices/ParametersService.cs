using System.Text.Json.Nodes;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.BackingServices;

/// <summary>Hands over the manifest's own parameters as they are, anew at each deployment.</summary>
sealed class ParametersService : IBackingService
{
    public string Name => Plugins.ParametersService;

    public JsonObject Provide(Project project, Plugin use, string generated) => JsonObject.Create(use.Parameters)!;
}
